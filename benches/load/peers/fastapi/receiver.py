"""A receiver as a studio writes it, on FastAPI and uvicorn as they are installed: the check of the network's page on
securing callbacks, typed parameters, transactions and balances in maps. A repeated callback is not paid twice."""

import hashlib
import hmac
import os
from decimal import Decimal

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse

APP_SECRET = os.environ["APP_SECRET"].encode()
ORIGIN = os.environ["ORIGIN"]

app = FastAPI()
paid: set[str] = set()
balances: dict[str, Decimal] = {}


def is_genuine(url: str) -> bool:
    signed, separator, given = url.rpartition("&hash=")
    expected = hmac.new(APP_SECRET, signed.encode(), hashlib.sha1).hexdigest()
    return bool(separator) and hmac.compare_digest(given.encode(), expected.encode())


@app.get("/callbacks/offers", response_class=PlainTextResponse)
async def offers(request: Request, player: str, tx: str, gems: Decimal, state: str) -> str:
    if not is_genuine(f"{ORIGIN}{request.url.path}?{request.url.query}"):
        raise HTTPException(status_code=403, detail="forbidden")
    if state != "COMPLETED":
        return "noted"
    if tx in paid:
        return "duplicate"
    paid.add(tx)
    balances[player] = balances.get(player, Decimal(0)) + gems
    return "settled"


@app.get("/paid", response_class=PlainTextResponse)
async def paid_rewards() -> str:
    """What the harness asks for at the end."""
    return str(len(paid))
