//! Behind a proxy: what it may do to a request, and how to set it.
//!
//! The network signs the URL that it calls: scheme, host, port, path and query. What reaches your backend has been
//! through proxies. Here, everything before the `?` is taken from the URL that you configured, and the query from the
//! request, byte for byte. So there is one rule:
//!
//! > **A proxy may do anything to what stands before the `?`, as long as the request reaches the right route. It must
//! > not touch the query.**
//!
//! | a proxy may | because |
//! |---|---|
//! | end TLS, use another port, speak HTTP/1.0 or HTTP/2 to the backend | scheme and port are the configured ones |
//! | strip or add a path prefix, merge slashes, decode and re-encode the path | the path is the configured one |
//! | change `Host`; add, drop or forward `X-Forwarded-*` and `Forwarded`, forged or not | no header is read (but for the credentials of Phonexa) |
//! | send the request again, to the same or another backend | the second is a duplicate, or waits for the first |
//!
//! | a proxy must not | or else |
//! |---|---|
//! | add, drop, sort or re-encode parameters of the query | 403 |
//! | redirect (`http` to `https`, a slash at the end, another host) | the network does not follow, and the callback is lost after its last repetition |
//! | refuse by rate, by user agent, or with a challenge page | the same: callbacks come in batches, from a program |
//! | turn an error into 200 | the network forgets what was not remembered |
//! | cut URLs at less than 8 KiB | 414 or 400, and the same |
//!
//! Mount the endpoint's route under the path as it *arrives* at the backend; type the path that the *network* calls
//! into the dashboard and, with the rest of that URL, into the endpoint.
//!
//! # nginx
//!
//! What follows is tried against a real nginx, with both web frameworks, by the repository's `tests/proxy`.
//!
//! ```nginx
//! server {
//!     listen 443 ssl;
//!     server_name game.example;
//!
//!     location /callbacks/ {
//!         proxy_pass http://127.0.0.1:8080;  # no path here: all goes on as it came
//!         proxy_set_header Host $host;       # for your logs: nothing depends on it
//!         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
//!         proxy_read_timeout 60s;            # two handlers of up to 25 s each
//!     }
//! }
//! ```
//!
//! - **`proxy_pass` without a path** sends the target on as it came. **With a path** (`proxy_pass http://backend/;`)
//!   the location's prefix is replaced and the path normalised: escapes such as `%7E` are decoded, slashes merged,
//!   `.` and `..` resolved. Both are fine. The query is the same, byte for byte: `+`, `%20`, `|`, escapes in upper
//!   and lower case, raw UTF-8, even broken escapes.
//! - **A prefix**: `location /eu/game/ { proxy_pass http://127.0.0.1:8080/; }`. The dashboard has
//!   `https://game.example/eu/game/callbacks/…`, the backend's route is `/callbacks/…`.
//! - **Doubled slashes**: `merge_slashes` is on by default and concerns the *location*. If the dashboard's URL has a
//!   double slash, `//callbacks`, the location `/callbacks/` matches, but without a path in `proxy_pass` the backend
//!   gets `//callbacks` and answers 404. Type no double slashes; the signature would not mind.
//! - **A location that ends in a slash redirects** the path without it: `location /callbacks/offers/` answers
//!   `/callbacks/offers?…` with 301. Leave that slash out.
//! - **`rewrite` with a question mark**: `rewrite ^ /offers?via=nginx` adds a parameter, `rewrite ^ /offers?` drops
//!   all of them. Either is answered 403. So is a changed `$args`.
//! - **Long URLs**: `large_client_header_buffers` is `4 8k` by default, which suits the 8192 bytes that an endpoint
//!   reads ([`Limits`](crate::wire::Limits)). Smaller buffers refuse genuine callbacks with 414.
//! - **Retries**: by `proxy_next_upstream`, nginx asks the next backend when one hangs up or does not answer in time,
//!   though that one may have paid. The second backend finds that out in the store they share: 200 `duplicate`, paid
//!   once. Never put backends with a store *each* (a SQLite file on each machine) behind one proxy: both would pay.
//! - **Rate limits** (`limit_req`) and **`error_page 502 503 =200 …`** must not cover this location.
//!
//! # Others
//!
//! Not tried by the crate's tests; from their manuals.
//!
//! **Caddy.** `reverse_proxy` passes path and query on; `handle_path /eu/game/*` strips the prefix. Both are fine.
//! Caddy redirects `http` to `https` by itself: choose `https` in the dashboard. No `rewrite` that names a query.
//!
//! ```text
//! game.example {
//!     handle /callbacks/* {
//!         reverse_proxy 127.0.0.1:8080
//!     }
//! }
//! ```
//!
//! **Cloudflare.** "Normalize URLs to origin" is off by default; it concerns the path, which may be changed. For the
//! callbacks' path: no transform rule that touches the query, no redirect rule, no cache, and a rule that skips bot
//! protection and rate limits, since a challenge is a lost callback. Choose `https` in the dashboard if "Always Use
//! HTTPS" is on.
//!
//! **Kubernetes, ingress-nginx.** `rewrite-target` with capture groups becomes a `rewrite … break` in nginx, which
//! keeps the query (tried above). Do not write a `?` into it. With TLS on the ingress, plain HTTP is redirected:
//! choose `https` in the dashboard.
//!
//! **Load balancers in the cloud.** End TLS, forward, retry: all fine. Look at the idle timeout (longer than a
//! handler may take), the longest URL, and that health checks do not go to a callback's path (they would be logged as
//! refused).
//!
//! # When it does not work
//!
//! | you see | look at |
//! |---|---|
//! | 404 | the route: the path as it *arrives*. Log it once at the backend |
//! | 403 on everything | the secret; the configured URL against the dashboard's; a rule that touches the query |
//! | 403 on some | parameters with spaces, `+` or letters beyond ASCII: something re-encodes the query |
//! | 301, 302, 308 | the proxy redirects: protocol, slash at the end |
//! | nothing | bot protection, a firewall; the access log of the *outermost* proxy |
//!
//! Take the request's line from the access log and give it to `postback explain`, with the dashboard's URL as
//! `--template`: it tries these causes and says which it was. As a library, with the feature `explain`:
//!
//! ```
//! # #[cfg(feature = "explain")] {
//! use postback::explain::Explainer;
//!
//! let dashboard = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]";
//! // What the access log has: a rule of the proxy's has added a parameter.
//! let logged = "/callbacks/offers?player=p1&tx=o1&via=edge&hash=…";
//! # let signed = postback::testing::bitlabs::Network::new("the App Secret")
//! #     .callback(dashboard).player("p1").transaction("o1").sign();
//! # let logged = signed.target().replace("&hash=", "&via=edge&hash=");
//! let explanation = Explainer::bitlabs()
//!     .secret("BITLABS_APP_SECRET", "the App Secret")
//!     .template(dashboard)?
//!     .explain(&logged);
//! println!("{explanation}");
//! # assert_eq!(explanation.findings().len(), 1, "{explanation}");
//! # assert!(explanation.to_string().contains("via"), "{explanation}");
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
