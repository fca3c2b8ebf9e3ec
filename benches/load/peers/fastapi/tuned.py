"""A receiver as the network's page on securing callbacks describes it: the whole URL without `&hash=` under
HMAC-SHA1 with the App Secret, in hex. It verifies and answers OK; it remembers nothing and pays nothing."""

import hashlib
import hmac
import os

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

APP_SECRET = os.environ["APP_SECRET"].encode()
URL_PREFIX = os.environ["URL_PREFIX"].encode()

app = FastAPI(openapi_url=None)


def is_genuine(query: bytes) -> bool:
    signed, separator, given = query.rpartition(b"&hash=")
    if not separator:
        return False
    expected = hmac.new(APP_SECRET, URL_PREFIX + b"?" + signed, hashlib.sha1).hexdigest()
    return hmac.compare_digest(given, expected.encode())


@app.get("/callbacks/offers")
async def offers(request: Request) -> PlainTextResponse:
    if not is_genuine(request.scope["query_string"]):
        return PlainTextResponse("forbidden", status_code=403)
    return PlainTextResponse("OK")
