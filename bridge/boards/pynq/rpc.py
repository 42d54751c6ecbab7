"""gRPC servers from the service definitions that come with the installed pynq."""

from collections.abc import Callable
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import grpc

from bridge.errors import LinkOpenError


class RefusedError(Exception):
    """A call that is answered by a gRPC error; its message goes to the client."""

    def __init__(self, status: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.status = status


def definition(name: str) -> Any:
    """The protobuf module of one of pynq's services, without importing pynq itself (seconds, and warnings).

    Raises:
        LinkOpenError: pynq is not installed, or another version than 4.
    """
    package = find_spec("pynq")
    if package is None or not package.submodule_search_locations:
        raise LinkOpenError("a simulated board takes its service definitions from pynq: pip install 'qtwin[pynq]'")
    file = Path(package.submodule_search_locations[0]) / "remote" / f"{name}_pb2.py"
    spec = spec_from_file_location(f"qtwin_pynq_{name}", file)
    if spec is None or spec.loader is None or not file.exists():
        raise LinkOpenError(f"the installed pynq has no {file}: qtwin needs pynq 4.0.0, pip install 'qtwin[pynq]'")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def handlers(messages: Any, service: object) -> list[grpc.GenericRpcHandler]:
    """gRPC handlers of a definition: each RPC is the method of `service` with its name, others are UNIMPLEMENTED.

    A method takes the request (an iterator of them where the client streams) and returns the response (an iterable of
    them where the server streams), or raises RefusedError.
    """
    return [
        grpc.method_handlers_generic_handler(
            described.full_name,
            {
                method.name: _handler(messages, method, getattr(service, method.name))
                for method in described.methods
                if hasattr(service, method.name)
            },
        )
        for described in messages.DESCRIPTOR.services_by_name.values()
    ]


def _handler(messages: Any, method: Any, behaviour: Callable[[Any], Any]) -> grpc.RpcMethodHandler:
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
    }[method.client_streaming, method.server_streaming]

    def call(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return behaviour(request)
        except RefusedError as error:
            return context.abort(error.status, str(error))

    request, response = (getattr(messages, kind.name) for kind in (method.input_type, method.output_type))
    return make(call, request_deserializer=request.FromString, response_serializer=response.SerializeToString)
