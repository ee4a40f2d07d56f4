"""B, the commodity center: calls C through a Lane gateway, which chooses the instance by the tag that OpenTelemetry forwards."""

import os
import socket
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from nacos import Nacos

NAME = os.environ.get("NAME", "B")
TAG = os.environ.get("TAG")
GATEWAY = os.environ["LANE_GATEWAY"]

listening = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "0"))))
port = listening.getsockname()[1]


@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url=GATEWAY) as client:
        app.state.client = client
        Nacos(os.environ.get("NACOS_SERVER", "127.0.0.1:8848")).register("spring-cloud-b", "127.0.0.1", port, {"lane": TAG} if TAG else {})
        print(f"spring-cloud-b registered as 127.0.0.1:{port}", flush=True)
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/b", response_class=PlainTextResponse)
async def b():
    answer = await app.state.client.get("/c", headers={"host": "spring-cloud-c"})
    return f"{NAME}[127.0.0.1:{port}] -> {answer.text}"


if __name__ == "__main__":
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
