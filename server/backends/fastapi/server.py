"""Books each decision once: FastAPI, the Standard Webhooks library, SQLite."""
import os
import sqlite3

import uvicorn
from fastapi import FastAPI, Request, Response
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["POSTBACK_BACKEND_SECRET"])
db = sqlite3.connect(os.environ.get("DATABASE", "game.db"), check_same_thread=False)
db.execute("CREATE TABLE IF NOT EXISTS decisions (id TEXT PRIMARY KEY)")
# Whole units: SQLite adds decimals as floating point.
db.execute("CREATE TABLE IF NOT EXISTS players (id TEXT PRIMARY KEY, balance NUMERIC NOT NULL)")
app = FastAPI()


@app.post("/decisions")
async def decisions(request: Request) -> Response:
    try:
        decision = webhook.verify(await request.body(), dict(request.headers))["data"]
    except WebhookVerificationError:
        return Response(status_code=403)
    # To decline for good: return JSONResponse({"refused": "no such player"}, status_code=422)
    with db:  # one transaction
        # Known already: the response got lost, so say again that it is done.
        if db.execute("INSERT INTO decisions VALUES (?) ON CONFLICT DO NOTHING", (decision["id"],)).rowcount:
            db.execute(
                "INSERT INTO players VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET balance = balance + excluded.balance",
                (decision["player"], decision["balance_change"]),
            )
    return Response(status_code=204)


uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "9000")), log_level="warning")
