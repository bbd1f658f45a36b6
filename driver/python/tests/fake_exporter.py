"""A program in the place of starproxy: it serves one object that does as its tests ask.

Its events go to the file that FAKE_EVENTS names, one a line.
"""

import asyncio
import os
import socket
import sys

import grpc
from google.protobuf import struct_pb2
from jumpstarter_protocol import jumpstarter_pb2, jumpstarter_pb2_grpc, router_pb2, router_pb2_grpc


def event(text):
    with open(os.environ["FAKE_EVENTS"], "a") as f:
        print(text, file=f)


class Fake(jumpstarter_pb2_grpc.ExporterServiceServicer, router_pb2_grpc.RouterServiceServicer):
    async def GetReport(self, request, context):
        labels = {"jumpstarter.dev/name": "proxy", "jumpstarter.dev/client": "x"}
        return jumpstarter_pb2.GetReportResponse(
            reports=[jumpstarter_pb2.DriverInstanceReport(uuid="6d5e1a3c-8d07-4c5e-9d0c-0f3a6f0a7b11", labels=labels)]
        )

    async def DriverCall(self, request, context):
        if request.method == "fail":
            await context.abort(
                grpc.StatusCode[request.args[0].string_value], request.args[1].string_value
            )
        if request.method == "die":
            os._exit(3)
        if request.method == "refuse":
            context.set_trailing_metadata((("starproxy-outcome", "NOT_FOUND"), ("starproxy-text-bin", "größer".encode()), ("other", "x")))
            return jumpstarter_pb2.DriverCallResponse(result=struct_pb2.Value(string_value="Mock not found"))
        if request.method == "large":
            text = "x" * int(request.args[0].number_value)
            return jumpstarter_pb2.DriverCallResponse(result=struct_pb2.Value(string_value=text))
        await self.hang(request.method)

    async def StreamingDriverCall(self, request, context):
        for i in range(3):
            yield jumpstarter_pb2.StreamingDriverCallResponse(result=struct_pb2.Value(number_value=i))
        if request.method == "fail":
            await context.abort(grpc.StatusCode.DATA_LOSS, "three were all")
        if request.method == "die":
            os._exit(3)
        await self.hang(request.method)

    async def Stream(self, requests, context):
        request = dict(context.invocation_metadata())["request"]
        if "refuse" in request:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no such stream for you")
        await context.send_initial_metadata(())
        if "die" in request:
            os._exit(3)
        async for r in requests:  # an echo
            if r.frame_type == router_pb2.FRAME_TYPE_GOAWAY:
                break
            yield router_pb2.StreamResponse(payload=r.payload)
        yield router_pb2.StreamResponse(payload=b"bye")
        event("stream ended")

    async def hang(self, method):
        event(f"{method} began")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            event(f"{method} cancelled")
            raise


async def main():
    path = sys.argv[sys.argv.index("--socket") + 1]
    if "FAKE_LATE" in os.environ:  # the file is there before anybody listens
        with socket.socket(socket.AF_UNIX) as early:
            early.bind(path)
            await asyncio.sleep(0.3)
        os.unlink(path)
    server = grpc.aio.server()
    jumpstarter_pb2_grpc.add_ExporterServiceServicer_to_server(Fake(), server)
    router_pb2_grpc.add_RouterServiceServicer_to_server(Fake(), server)
    server.add_insecure_port(f"unix://{path}")
    event("started")
    await server.start()
    await server.wait_for_termination()


asyncio.run(main())
