"""gRPC servers from the service definitions that come with the installed pynq."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from google.protobuf.descriptor_pb2 import FieldDescriptorProto  # type: ignore[import-untyped]

from bridge.errors import LinkOpenError

UNSIGNED, SIGNED = FieldDescriptorProto.TYPE_UINT32, FieldDescriptorProto.TYPE_INT32
REGISTER_WORDS: Mapping[str, int] = MappingProxyType({"4.0": UNSIGNED, "3.1": SIGNED})
"""How a register's word is sent by each version of PYNQ.remote: all that differs between their messages."""


class RefusedError(Exception):
    """A call that is answered by a gRPC error; its message goes to the client."""

    def __init__(self, status: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.status = status


def definition(name: str, server: str) -> Any:
    """The messages of one of pynq's services, without importing pynq itself (seconds, and warnings).

    server: the version of PYNQ.remote whose messages they shall be, whichever is installed.

    Raises:
        LinkOpenError: pynq is not installed, or is older than PYNQ.remote.
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
    return _with_register_words(module, REGISTER_WORDS[server]) if name == "mmio" else module


def is_signed(messages: Any, message: str, field: str) -> bool:
    """Whether a field is one of numbers with a sign."""
    described = messages.DESCRIPTOR.message_types_by_name[message].fields_by_name[field]
    return bool(described.type == SIGNED)


def _with_register_words(messages: Any, field_type: int) -> Any:
    """The definition of Mmio with words read as a version of it has them."""
    file = descriptor_pb2.FileDescriptorProto()
    messages.DESCRIPTOR.CopyToProto(file)
    (response,) = (message for message in file.message_type if message.name == "ReadResponse")
    (data,) = (field for field in response.field if field.name == "data")
    data.type = field_type
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    described = pool.FindFileByName(file.name)
    classes = {
        name: message_factory.GetMessageClass(message) for name, message in described.message_types_by_name.items()
    }
    return SimpleNamespace(DESCRIPTOR=described, **classes)


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
