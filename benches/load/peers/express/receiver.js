// A receiver as a studio writes it, on Express as it is installed: the check of the network's page on securing
// callbacks, the parameters read from the query, transactions and balances in maps. A repeated callback is not paid twice.

import { createHmac, timingSafeEqual } from 'node:crypto';
import express from 'express';

const { PORT, APP_SECRET, ORIGIN } = process.env;

const paid = new Set();
const balances = new Map();

function isGenuine(url) {
  const end = url.lastIndexOf('&hash=');
  if (end < 0) return false;
  const expected = createHmac('sha1', APP_SECRET).update(url.slice(0, end)).digest('hex');
  const given = url.slice(end + '&hash='.length);
  return given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
}

const app = express();

app.get('/callbacks/offers', (req, res) => {
  if (!isGenuine(ORIGIN + req.originalUrl)) return res.status(403).send('forbidden');
  const { player, tx, gems, state } = req.query;
  const amount = Number(gems);
  if (!player || !tx || !(amount >= 0)) return res.status(400).send('bad request');
  if (state !== 'COMPLETED') return res.send('noted');
  if (paid.has(tx)) return res.send('duplicate');
  paid.add(tx);
  balances.set(player, (balances.get(player) ?? 0) + amount);
  res.send('settled');
});

// What the harness asks for at the end.
app.get('/paid', (req, res) => res.send(String(paid.size)));

app.listen(Number(PORT), '127.0.0.1');
