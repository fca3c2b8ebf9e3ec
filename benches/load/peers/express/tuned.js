// A receiver as the network's page on securing callbacks describes it: the whole URL without `&hash=` under
// HMAC-SHA1 with the App Secret, in hex. It verifies and answers OK; it remembers nothing and pays nothing.

import { createHmac, timingSafeEqual } from 'node:crypto';
import express from 'express';

const { PORT, APP_SECRET, URL_PREFIX } = process.env;

function isGenuine(target) {
  const query = target.indexOf('?');
  const end = target.lastIndexOf('&hash=');
  if (query < 0 || end < query) return false;
  const signed = URL_PREFIX + target.slice(query, end);
  const expected = createHmac('sha1', APP_SECRET).update(signed).digest('hex');
  const given = target.slice(end + '&hash='.length);
  return given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
}

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.get('/callbacks/offers', (request, response) => {
  if (!isGenuine(request.originalUrl)) {
    response.status(403).type('text/plain').send('forbidden');
    return;
  }
  response.type('text/plain').send('OK');
});
app.listen(Number(PORT), '127.0.0.1');
