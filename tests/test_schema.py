"""The generated messages and the registry say what `protos/schema.json` says."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

import ctrader.proto
from ctrader.proto import (
    ProtoHeartbeatEvent,
    ProtoMessage,
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOADepthEvent,
    ProtoOAErrorRes,
    ProtoOAGetTickDataRes,
    ProtoOAOrderErrorEvent,
    ProtoOASpotEvent,
    common_model_pb2,
    common_pb2,
    messages_pb2,
    model_pb2,
    registry,
)

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "ctrader.openapi"
MODULES = {
    "OpenApiCommonModelMessages": common_model_pb2,
    "OpenApiCommonMessages": common_pb2,
    "OpenApiModelMessages": model_pb2,
    "OpenApiMessages": messages_pb2,
}
TRADING_REQUESTS = {
    "ProtoOANewOrderReq",
    "ProtoOAAmendOrderReq",
    "ProtoOACancelOrderReq",
    "ProtoOAAmendPositionSLTPReq",
    "ProtoOAClosePositionReq",
}

SCHEMA: dict[str, Any] = json.loads((ROOT / "protos" / "schema.json").read_text(encoding="utf-8"))


def file_proto(name: str) -> descriptor_pb2.FileDescriptorProto:
    proto = descriptor_pb2.FileDescriptorProto()
    MODULES[name].DESCRIPTOR.CopyToProto(proto)
    return proto


def field_facts(field: descriptor_pb2.FieldDescriptorProto) -> dict[str, Any]:
    """Bring a compiled field into the form of `schema.json`."""
    scalar = descriptor_pb2.FieldDescriptorProto.Type.Name(field.type)
    if field.type in {field.TYPE_MESSAGE, field.TYPE_ENUM}:
        type_name = field.type_name.removeprefix(f".{PACKAGE}.")
        kind = "enum" if field.type == field.TYPE_ENUM else "message"
    else:
        type_name = scalar.removeprefix("TYPE_").lower()
        kind = "scalar"
    default: Any = field.default_value if field.HasField("default_value") else None
    if default is not None and field.type == field.TYPE_BOOL:
        default = default == "true"
    label = descriptor_pb2.FieldDescriptorProto.Label.Name(field.label)
    return {
        "name": field.name,
        "number": field.number,
        "label": label.removeprefix("LABEL_").lower(),
        "type": type_name,
        "kind": kind,
        "packed": field.options.packed,
        "default": default,
        "deprecated": field.options.deprecated,
    }


def official_field(facts: dict[str, Any]) -> descriptor_pb2.FieldDescriptorProto:
    """Turn a field of `schema.json` into what a compiler without a package would write."""
    field = descriptor_pb2.FieldDescriptorProto(
        name=facts["name"],
        number=facts["number"],
        label=descriptor_pb2.FieldDescriptorProto.Label.Value(f"LABEL_{facts['label'].upper()}"),
    )
    if facts["kind"] == "scalar":
        scalar = f"TYPE_{facts['type'].upper()}"
        field.type = descriptor_pb2.FieldDescriptorProto.Type.Value(scalar)
    else:
        field.type_name = f".{facts['type']}"
        field.type = field.TYPE_ENUM if facts["kind"] == "enum" else field.TYPE_MESSAGE
    default = facts["default"]
    if default is not None:
        field.default_value = str(default).lower() if isinstance(default, bool) else default
    if facts["packed"]:
        field.options.packed = True
    if facts["deprecated"]:
        field.options.deprecated = True
    return field


def official_files() -> Iterator[descriptor_pb2.FileDescriptorProto]:
    """Build the official layout: no package, files named OpenApi*.proto."""
    for name, facts in SCHEMA["files"].items():
        file = descriptor_pb2.FileDescriptorProto(
            name=f"{name}.proto", dependency=facts["imports"], syntax=facts["syntax"]
        )
        for enum_name, values in facts["enums"].items():
            enum = file.enum_type.add(name=enum_name)
            for value_name, number in values.items():
                enum.value.add(name=value_name, number=number)
        for message_name, fields in facts["messages"].items():
            message = file.message_type.add(name=message_name)
            message.field.extend(official_field(facts) for facts in fields)
        yield file


class TestDescriptors:
    def test_the_counts_are_those_of_the_recommended_set(self):
        enums = [enum for file in SCHEMA["files"].values() for enum in file["enums"].values()]
        messages = [m for file in SCHEMA["files"].values() for m in file["messages"].values()]
        assert len(enums) == 29
        assert sum(map(len, enums)) == 290
        assert len(messages) == 124
        assert sum(map(len, messages)) == 587
        assert len(SCHEMA["payload_types"]) == 97

    def test_the_additions_to_the_base_edition_are_there(self):
        for message in SCHEMA["recommended_set"]["optional_extra_messages"]:
            assert hasattr(messages_pb2, message)
        assert model_pb2.ProtoOAErrorCode.Value("NOT_SUBSCRIBED_TO_PNL") == 137
        assert registry.V1_PNL_CHANGE_EVENT == 2189
        assert registry.V1_PNL_CHANGE_UN_SUBSCRIBE_RES == 2193

    @pytest.mark.parametrize("name", MODULES)
    def test_every_enum_value_is_the_schemas(self, name: str):
        compiled = {
            enum.name: {value.name: value.number for value in enum.value}
            for enum in file_proto(name).enum_type
        }
        assert compiled == SCHEMA["files"][name]["enums"]

    @pytest.mark.parametrize("name", MODULES)
    def test_every_field_is_the_schemas(self, name: str):
        compiled = {
            message.name: [field_facts(field) for field in message.field]
            for message in file_proto(name).message_type
        }
        assert compiled == SCHEMA["files"][name]["messages"]

    @pytest.mark.parametrize("name", MODULES)
    def test_nothing_is_declared_beyond_the_schema(self, name: str):
        file = file_proto(name)
        # Editions before 2023 leave `syntax` empty for proto2.
        assert file.syntax in {"", "proto2"}
        assert not file.extension
        assert not file.service
        for message in file.message_type:
            assert not message.nested_type
            assert not message.enum_type
            assert not message.oneof_decl
            assert not message.extension_range

    @pytest.mark.parametrize("name", MODULES)
    def test_our_names_in_the_descriptor_pool_are_our_own(self, name: str):
        file = file_proto(name)
        assert file.package == PACKAGE
        assert file.name.startswith("ctrader/proto/")


class TestPackage:
    def test_every_message_and_enum_is_exported_by_name(self):
        names = {
            name
            for file in SCHEMA["files"].values()
            for name in [*file["enums"], *file["messages"]]
        }
        assert set(ctrader.proto.__all__) == names
        for name in names:
            assert getattr(ctrader.proto, name).DESCRIPTOR.full_name == f"{PACKAGE}.{name}"


class TestRegistry:
    def test_every_payload_type_has_the_schemas_class_and_name(self):
        assert {
            number: (registry.PAYLOAD_TYPE_NAMES[number], message.DESCRIPTOR.name)
            for number, message in registry.MESSAGE_BY_PAYLOAD_TYPE.items()
        } == {row["number"]: (row["name"], row["message"]) for row in SCHEMA["payload_types"]}
        assert registry.PAYLOAD_TYPE_NAMES.keys() == registry.MESSAGE_BY_PAYLOAD_TYPE.keys()

    def test_both_directions_agree(self):
        reversed_ = {m: number for number, m in registry.MESSAGE_BY_PAYLOAD_TYPE.items()}
        assert reversed_ == registry.PAYLOAD_TYPE_BY_MESSAGE

    def test_every_message_with_a_payload_type_field_is_registered(self):
        with_field = {
            name
            for file in SCHEMA["files"].values()
            for name, fields in file["messages"].items()
            if any(field["name"] == "payloadType" for field in fields)
        }
        assert with_field == {m.DESCRIPTOR.name for m in registry.PAYLOAD_TYPE_BY_MESSAGE}

    @pytest.mark.parametrize(
        ("number", "message"), registry.MESSAGE_BY_PAYLOAD_TYPE.items(), ids=str
    )
    def test_a_message_carries_its_own_number_as_default(self, number: int, message: type[Message]):
        if message is ProtoMessage:  # the envelope's number is that of what it carries
            return
        assert message.DESCRIPTOR.fields_by_name["payloadType"].default_value == number

    def test_every_payload_type_number_has_one_constant(self):
        constants = {
            name: value for name, value in vars(registry).items() if isinstance(value, int)
        }
        expected = {
            row["name"].removeprefix("PROTO_OA_"): row["number"] for row in SCHEMA["payload_types"]
        }
        assert constants == expected | {"PROTO_ERROR_RES": 50, "ERROR_RES": 2142}

    def test_exports_are_complete(self):
        public = {
            name
            for name, value in vars(registry).items()
            if name.isupper() and not isinstance(value, type)
        }
        assert set(registry.__all__) == public

    def test_every_request_but_the_trading_ones_has_its_response(self):
        requests = {
            m for m in registry.PAYLOAD_TYPE_BY_MESSAGE if m.DESCRIPTOR.name.endswith("Req")
        }
        unanswered = requests - registry.RESPONSE_BY_REQUEST.keys()
        assert {m.DESCRIPTOR.name for m in unanswered} == TRADING_REQUESTS
        assert registry.RESPONSE_BY_REQUEST.keys() <= requests

    def test_every_response_answers_one_request(self):
        responses = {
            m for m in registry.PAYLOAD_TYPE_BY_MESSAGE if m.DESCRIPTOR.name.endswith("Res")
        }
        answers = list(registry.RESPONSE_BY_REQUEST.values())
        assert len(set(answers)) == len(answers)
        assert {m.DESCRIPTOR.name for m in responses - set(answers)} == {
            "ProtoErrorRes",
            "ProtoOAErrorRes",
        }

    def test_request_and_response_carry_the_same_name(self):
        for request, response in registry.RESPONSE_BY_REQUEST.items():
            stem = request.DESCRIPTOR.name.removesuffix("Req")
            assert response.DESCRIPTOR.name == f"{stem}Res"

    @pytest.mark.parametrize(
        "mapping",
        [
            registry.MESSAGE_BY_PAYLOAD_TYPE,
            registry.PAYLOAD_TYPE_BY_MESSAGE,
            registry.PAYLOAD_TYPE_NAMES,
            registry.RESPONSE_BY_REQUEST,
        ],
        ids=["messages", "numbers", "names", "responses"],
    )
    def test_the_tables_are_read_only(self, mapping: Any):
        with pytest.raises(TypeError):
            mapping[0] = None


def envelope(message: Message, client_message_id: str | None = None) -> ProtoMessage:
    wrapped = ProtoMessage(
        payloadType=registry.PAYLOAD_TYPE_BY_MESSAGE[type(message)],
        payload=message.SerializeToString(),
    )
    if client_message_id is not None:
        wrapped.clientMsgId = client_message_id
    return wrapped


GOLDEN_FRAMES = {
    "heartbeat-with-empty-payload": (
        "00000004 0833 1200",
        envelope(ProtoHeartbeatEvent()),
    ),
    "application-auth-request": (
        "00000012 08b410 1209 1202 6964 1a03 736563 1a02 6131",
        envelope(ProtoOAApplicationAuthReq(clientId="id", clientSecret="sec"), "a1"),
    ),
    "application-auth-response": (
        "00000009 08b510 1200 1a02 6131",
        envelope(ProtoOAApplicationAuthRes(), "a1"),
    ),
    "account-auth-request": (
        "00000012 08b610 1209 10c0c407 1a03 746f6b 1a02 6132",
        envelope(ProtoOAAccountAuthReq(ctidTraderAccountId=123456, accessToken="tok"), "a2"),
    ),
    "error-response": (
        "00000021 08de10 1218 10c0c407 1a0f 494e56414c49445f52455155455354 2201 78 1a02 6132",
        envelope(
            ProtoOAErrorRes(
                ctidTraderAccountId=123456, errorCode="INVALID_REQUEST", description="x"
            ),
            "a2",
        ),
    ),
    "spot-event": (
        "0000000f 08d310 120a 10c0c407 1801 20e0cf06",
        envelope(ProtoOASpotEvent(ctidTraderAccountId=123456, symbolId=1, bid=108512)),
    ),
}

GOLDEN_PAYLOADS = {
    "depth-event": (
        "1001 1801 2a03 05ac02",
        ProtoOADepthEvent(ctidTraderAccountId=1, symbolId=1, deletedQuotes=[5, 300]),
    ),
    "tick-data-response": (
        "1001 1a0b 0880d095ffbc31 10e0cf06 1a16 0886feffffffffffffff01 10fdffffffffffffffff01 2000",
        ProtoOAGetTickDataRes(
            ctidTraderAccountId=1,
            tickData=[
                model_pb2.ProtoOATickData(timestamp=1700000000000, tick=108512),
                model_pb2.ProtoOATickData(timestamp=-250, tick=-3),
            ],
            hasMore=False,
        ),
    ),
    "order-error-event": (
        "120f 4f524445525f4e4f545f464f554e44 1807 2801",
        ProtoOAOrderErrorEvent(errorCode="ORDER_NOT_FOUND", ctidTraderAccountId=1, orderId=7),
    ),
}


class TestGoldenFrames:
    @pytest.mark.parametrize(
        ("frame", "expected"), GOLDEN_FRAMES.values(), ids=GOLDEN_FRAMES.keys()
    )
    def test_a_frame_parses_and_serialises_as_recorded(self, frame: str, expected: ProtoMessage):
        data = bytes.fromhex(frame)
        body = data[4:]
        assert int.from_bytes(data[:4], "big") == len(body)
        parsed = ProtoMessage.FromString(body)
        assert parsed == expected
        # A writer may order fields differently, so what is written is compared when read again.
        assert ProtoMessage.FromString(expected.SerializeToString()) == parsed
        message = registry.MESSAGE_BY_PAYLOAD_TYPE[parsed.payloadType].FromString(parsed.payload)
        assert message.IsInitialized()
        assert len(message.SerializeToString()) == len(parsed.payload)

    @pytest.mark.parametrize(
        ("payload", "expected"), GOLDEN_PAYLOADS.values(), ids=GOLDEN_PAYLOADS.keys()
    )
    def test_a_payload_parses_and_serialises_as_recorded(self, payload: str, expected: Message):
        data = bytes.fromhex(payload)
        parsed = type(expected).FromString(data)
        assert parsed == expected
        assert len(expected.SerializeToString()) == len(data)

    def test_a_bare_heartbeat_has_no_payload_field(self):
        parsed = ProtoMessage.FromString(bytes.fromhex("0833"))
        assert parsed.payloadType == registry.HEARTBEAT_EVENT
        assert not parsed.HasField("payload")
        assert parsed.SerializeToString() == bytes.fromhex("0833")

    def test_a_heartbeat_may_spell_out_its_payload_type(self):
        parsed = ProtoMessage.FromString(bytes.fromhex("0833 1202 0833"))
        inner = ProtoHeartbeatEvent.FromString(parsed.payload)
        assert inner.HasField("payloadType")
        assert inner.payloadType == registry.HEARTBEAT_EVENT

    def test_one_sided_quotes_keep_the_absent_side_absent(self):
        event = ProtoOASpotEvent.FromString(bytes.fromhex("10c0c407 1801 20e0cf06"))
        assert event.bid == 108512
        assert not event.HasField("ask")

    def test_unpublished_fields_are_carried_along(self):
        known = model_pb2.ProtoOATrader(ctidTraderAccountId=1, balance=2, depositAssetId=3)
        data = known.SerializeToString() + bytes.fromhex("b80105")  # field 23, varint
        parsed = model_pb2.ProtoOATrader.FromString(data)
        assert parsed.balance == 2
        assert parsed.SerializeToString() == data


LOAD_BESIDE = """
import sys
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

order, data = sys.argv[1], bytes.fromhex(sys.stdin.read())
if order == "ours-first":
    import ctrader.proto
pool = descriptor_pool.Default()
for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
    pool.AddSerializedFile(file.SerializeToString())
import ctrader.proto

theirs = message_factory.GetMessageClass(pool.FindMessageTypeByName("ProtoOASpotEvent"))
ours = ctrader.proto.ProtoOASpotEvent
assert theirs is not ours
wire = theirs(ctidTraderAccountId=123456, symbolId=1, bid=108512).SerializeToString()
assert ours.FromString(wire).SerializeToString() == wire
print("both loaded")
"""


class TestBesideForeignCode:
    @pytest.mark.parametrize("order", ["ours-first", "theirs-first"])
    def test_the_official_layout_loads_in_the_same_process(self, order: str):
        files = descriptor_pb2.FileDescriptorSet(file=official_files())
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", LOAD_BESIDE, order],
            input=files.SerializeToString().hex(),
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        assert (result.returncode, result.stdout, result.stderr) == (0, "both loaded\n", "")

    def test_every_message_is_the_same_on_the_wire(self):
        pool = descriptor_pool.DescriptorPool()
        for file in official_files():
            pool.AddSerializedFile(file.SerializeToString())
        for message in registry.PAYLOAD_TYPE_BY_MESSAGE:
            theirs = message_factory.GetMessageClass(
                pool.FindMessageTypeByName(message.DESCRIPTOR.name)
            )
            ours = message()
            fill(ours)
            data = ours.SerializeToString(deterministic=True)
            assert theirs.FromString(data).SerializeToString(deterministic=True) == data


FIELDS: dict[str, list[dict[str, Any]]] = {
    message: fields
    for file in SCHEMA["files"].values()
    for message, fields in file["messages"].items()
}
SAMPLES: dict[str, Any] = {"string": "x", "bytes": b"x", "bool": True, "double": 1.5}


def fill(message: Message) -> None:
    """Set every field of a message, and of the messages in it, to something."""
    for facts in FIELDS[message.DESCRIPTOR.name]:
        repeated = facts["label"] == "repeated"
        if facts["kind"] == "message":
            inner = getattr(message, facts["name"])
            fill(inner.add() if repeated else inner)
            continue
        if facts["kind"] == "enum":
            sample = getattr(ctrader.proto, facts["type"]).values()[-1]
        else:
            sample = SAMPLES.get(facts["type"], facts["number"])
        if repeated:
            getattr(message, facts["name"]).extend([sample, sample])
        else:
            setattr(message, facts["name"], sample)


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gen_protos", ROOT / "scripts" / "gen_protos.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.codegen
class TestGeneratedFiles:
    def test_the_committed_files_are_what_the_generator_writes(self):
        result = subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "gen_protos.py"), "--check"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")

    def test_a_difference_is_shown_and_generating_removes_it(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ):
        generator = load_generator()
        target = tmp_path / "proto"
        shutil.copytree(
            generator.TARGET, target, ignore=shutil.ignore_patterns("__pycache__", "registry.py")
        )
        with (target / "__init__.py").open("a", encoding="utf-8") as module:
            module.write("stray = 1\n")
        (target / "old_pb2.py").write_text(f"left = {'1' * 1000}\n", encoding="utf-8")
        monkeypatch.setattr(generator, "TARGET", target)

        assert generator.main(["--check"]) == 1
        shown = capsys.readouterr().out
        assert "-stray = 1" in shown
        assert "-left = 1" in shown
        assert max(map(len, shown.splitlines())) < 200
        assert "+SPOT_EVENT: Final = 2131  # ProtoOASpotEvent" in shown

        assert generator.main([]) == 0
        assert generator.main(["--check"]) == 0
        assert {path.name for path in target.iterdir()} == {
            path.name for path in generator.TARGET.iterdir() if path.is_file()
        }
