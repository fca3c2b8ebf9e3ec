"""Signs and verifies callbacks of the networks described in networks/*.toml.

An implementation of its own, with Python's standard library only, to check the library's verifier and its signer
against. Reads one JSON command a line, and writes one JSON result a line:

    {"op": "sign", "network": …, "url": …, "secret": …, "values": {…}, "format": "query" | "form" | "json"}
    {"op": "verify", "network": …, "url": …, "secret": …, "method": …, "target": …, "headers": [[…, …]], "body": …}

`url` is the one in the network's dashboard, and `values` are by the names of the description.
"""

import base64
import functools
import hashlib
import hmac
import json
import pathlib
import sys
import tomllib
import urllib.parse

NETWORKS = pathlib.Path(__file__).resolve().parent.parent / "networks"


@functools.cache
def load(name):
    return tomllib.loads((NETWORKS / f"{name}.toml").read_text())


class Network:
    def __init__(self, command):
        self.file = load(command["network"])
        self.auth = self.file["authentication"]
        self.kind = self.auth["kind"]
        self.secret = command["secret"]
        self.url = command["url"]
        self.prefix, _, query = self.url.partition("?")
        self.typed = [tuple(piece.partition("=")[::2]) for piece in query.split("&") if piece]

    def macro(self, name):
        notation = self.file.get("request", {}).get("macro")
        return notation.replace("NAME", name) if notation and name in self.file.get("macros", {}) else None

    def parameter(self, name):
        """The name of the parameter that brings a name of the description."""
        text = self.macro(name)
        return next((typed for typed, value in self.typed if value == text and text), name)

    def place(self):
        """("header", name) or ("parameter", name) or ("path", None)."""
        where = self.auth.get("in", "")
        if where.startswith("header:"):
            return "header", where.removeprefix("header:")
        return ("path", None) if where == "path" else ("parameter", self.parameter(where))

    # Hashes

    def hash(self, text):
        word = self.auth["hash"]
        if isinstance(text, str):
            text = text.encode()
        if word.startswith("hmac-"):
            value = hmac.new(self.secret.encode(), text, word.removeprefix("hmac-")).digest()
        elif word == "sha256d":
            value = hashlib.sha256(hashlib.sha256(text).digest()).digest()
        else:
            value = hashlib.new(word, text).digest()
        match self.auth.get("encoding", "hex"):
            case "hex" | "hex-any-case":
                return value.hex()
            case "base64":
                return base64.b64encode(value).decode()
            case "base64-escaped":
                return urllib.parse.quote(base64.b64encode(value).decode(), safe="")
            case "base64url":
                return base64.urlsafe_b64encode(value).decode().rstrip("=")
            case "base64url-padded":
                return base64.urlsafe_b64encode(value).decode()

    def message(self, value_of):
        """The signed text; None if a value is missing."""
        text, rest = "", self.auth["message"]
        while "{" in rest:
            literal, _, rest = rest.partition("{")
            field, _, rest = rest.partition("}")
            text += literal
            if field == "secret":
                text += self.secret
                continue
            is_integer = field.endswith(":int")
            field = field.removesuffix(":int")
            is_optional = field.endswith("?")
            value = value_of(field.removesuffix("?"))
            if value is None and not is_optional:
                return None
            value = value or ""
            text += value.partition(".")[0] if is_integer else value
        return text + rest

    def sorted_text(self, pairs, value_of):
        """`pairs` are all decoded parameters without the signature."""
        join, form = self.auth.get("join", ""), self.auth["pairs"]
        if self.auth.get("order") == "macro":
            names = sorted(name for name in self.file["macros"] if self.parameter(name) in dict(self.typed))
            names = [name for name in names if name != self.auth["in"]]
            values = [(name, value_of(name)) for name in names]
            if any(value is None for _, value in values):
                return None
            omitted = self.auth.get("omit_empty", [])
            text = join.join(value for name, value in values if value or name not in omitted)
        else:
            ordered = sorted(dict(pairs).items())
            if form == "php-form":
                quote = lambda text: urllib.parse.quote_plus(text).replace("~", "%7E")
                text = join.join(f"{quote(name)}={quote(value)}" for name, value in ordered)
            elif form == "values":
                text = join.join(value for _, value in ordered)
            else:
                text = join.join(f"{name}={value}" for name, value in ordered)
        return text if self.auth["hash"].startswith("hmac-") else text + self.secret


def flatten(value, prefix=""):
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from flatten(inner, f"{prefix}{name}.")
        elif not isinstance(inner, list):
            text = inner if isinstance(inner, str) else "" if inner is None else json.dumps(inner)
            yield prefix + name, text


def verify(command):
    network = Network(command)
    _, _, query = command["target"].partition("?")
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    headers = {name.lower(): value for name, value in command["headers"]}
    body = command["body"]
    if command["method"] == "POST":
        if "json" in headers.get("content-type", ""):
            pairs += list(flatten(json.loads(body)))
        else:
            pairs += urllib.parse.parse_qsl(body, keep_blank_values=True)
    values = dict(pairs)

    def value_of(name):
        return values.get(network.parameter(name))

    # A static secret in the URL, next to whatever the network signs.
    for name, value in network.typed:
        is_own = name in network.file.get("static", {}) or name == network.auth.get("url_secret", "secret")
        if is_own and values.get(name) != urllib.parse.unquote(value):
            return False

    kind, where = network.place()
    if network.kind == "url-mac":
        pieces = query.split("&")
        signature = next((piece for piece in reversed(pieces) if piece.startswith(f"{where}=")), None)
        if signature is None or (network.auth.get("position") != "anywhere" and pieces[-1] != signature):
            return False
        rest = "&".join(piece for piece in pieces if piece != signature)
        return hmac.compare_digest(network.hash(f"{network.prefix}?{rest}"), signature.partition("=")[2])
    if network.kind == "secret":
        presented = {
            "parameter": lambda: values.get(where, ""),
            "header": lambda: headers.get(where.lower(), ""),
            "path": lambda: network.secret if f"/{network.secret}/" in command["target"] else "",
        }[kind]()
        return hmac.compare_digest(presented.encode(), network.secret.encode())
    if network.kind == "credentials":
        token = f"Bearer {network.secret}"
        return hmac.compare_digest(headers.get("authorization", "").encode(), token.encode())
    given = headers.get(where.lower(), "") if kind == "header" else values.get(where, "")
    if network.kind == "body-mac":
        text = body
    elif network.kind == "message":
        text = network.message(value_of)
    else:
        unsigned = [(name, value) for name, value in pairs if (kind, name) != ("parameter", where)]
        text = network.sorted_text(unsigned, value_of)
    if text is None:
        return False
    expected = network.hash(text)
    if network.auth.get("encoding") == "hex-any-case":
        given = given.lower()
    return hmac.compare_digest(expected.encode(), given.encode())


def sign(command):
    network = Network(command)
    values, form = command["values"], command["format"]
    quote = lambda text: urllib.parse.quote(text, safe="")
    kind, where = network.place()
    query, body, headers = [], [], []
    for name, value in network.typed:
        known = next((known for known in network.file.get("macros", {}) if network.macro(known) == value), None)
        if known is None:
            query.append((name, value))
        elif known == network.auth.get("in") and network.kind == "secret":
            query.append((name, quote(network.secret)))
        elif known != network.auth.get("in"):
            query.append((name, quote(values.get(known, ""))))
    for name in network.file.get("parameters", {}):
        if name in values and name not in network.file.get("macros", {}):
            if form == "query":
                query.append((name, quote(values[name])))
            else:
                body.append((name, values[name]))

    def add(signature):
        if kind == "header":
            headers.append((where, signature))
        elif form == "query":
            query.append((where, quote(signature)))
        else:
            body.append((where, signature))

    def url():
        return f"{network.prefix}?" + "&".join(f"{name}={value}" for name, value in query)

    def text_of_body():
        if form == "query":
            return ""
        if form == "form":
            return urllib.parse.urlencode(body)
        nested = {}
        for name, value in body:
            *outer, last = name.split(".")
            place = nested
            for part in outer:
                place = place.setdefault(part, {})
            place[last] = value
        return json.dumps(nested)

    if network.kind == "url-mac":
        query.append((where, network.hash(url())))
    elif network.kind == "message":
        add(network.hash(network.message(lambda name: values.get(name, "" if network.macro(name) else None))))
    elif network.kind == "sorted-mac":
        pairs = [(urllib.parse.unquote(name), urllib.parse.unquote(value)) for name, value in query]
        add(network.hash(network.sorted_text(pairs, lambda name: values.get(name, ""))))
    elif network.kind == "body-mac":
        headers.append((where, network.hash(text_of_body())))
    elif network.kind == "secret" and kind == "header":
        headers.append((where, network.secret))
    elif network.kind == "credentials":
        headers.append(("Authorization", f"Bearer {network.secret}"))
    if form == "form":
        headers.append(("Content-Type", "application/x-www-form-urlencoded"))
    if form == "json":
        headers.append(("Content-Type", "application/json"))
    whole = url() if query else network.prefix
    target = "/" + whole.partition("://")[2].partition("/")[2]
    return {"method": "GET" if form == "query" else "POST", "target": target, "headers": headers, "body": text_of_body()}


def main():
    for line in sys.stdin:
        command = json.loads(line)
        result = sign(command) if command["op"] == "sign" else {"genuine": verify(command)}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
