// Books each decision once: Express, the Standard Webhooks library, SQLite.
const express = require("express");
const { Webhook } = require("standardwebhooks");
const { Database } = require("node-sqlite3-wasm");

const webhook = new Webhook(process.env.POSTBACK_BACKEND_SECRET);
const db = new Database(process.env.DATABASE || "game.db");
db.exec("CREATE TABLE IF NOT EXISTS decisions (id TEXT PRIMARY KEY)");
// Whole units: SQLite adds decimals as floating point.
db.exec("CREATE TABLE IF NOT EXISTS players (id TEXT PRIMARY KEY, balance NUMERIC NOT NULL)");

const app = express();
app.post("/decisions", express.text({ type: "application/json" }), (request, response) => {
  let decision;
  try {
    decision = webhook.verify(request.body || "", request.headers).data;
  } catch {
    return response.status(403).end();
  }
  // To decline for good: return response.status(422).json({ refused: "no such player" });
  db.exec("BEGIN IMMEDIATE");
  try {
    // Known already: the response got lost, so say again that it is done.
    const { changes } = db.run("INSERT INTO decisions VALUES (?) ON CONFLICT DO NOTHING", [decision.id]);
    if (changes > 0) {
      db.run("INSERT INTO players VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET balance = balance + excluded.balance",
        [decision.player, decision.balance_change]);
    }
    db.exec("COMMIT");
    response.status(204).end();
  } catch (error) {
    db.exec("ROLLBACK");
    response.status(500).end();
  }
});
app.listen(process.env.PORT || 9000, "127.0.0.1");
