"""What requests have in common: how they look to people, editors and checkers."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest

from ctrader.enums import OrderSide, OrderType
from ctrader.errors import OrderInvalidError
from ctrader.models import (
    AmendOrderRequest,
    AmendPositionRequest,
    ClosePositionRequest,
    NewOrderRequest,
)
from ctrader.models.request import TradingRequest

REQUESTS = (NewOrderRequest, AmendOrderRequest, AmendPositionRequest, ClosePositionRequest)


class Twelve:
    """What another library's integers are like."""

    def __index__(self) -> int:
        return 12


@pytest.mark.parametrize("request_type", REQUESTS)
def test_signature_shows_what_is_taken_and_not_how_it_is_checked(
    request_type: type[TradingRequest],
) -> None:
    shown = inspect.signature(request_type)
    assert list(shown.parameters) == list(request_type.model_fields)
    assert "Annotated" not in str(shown)
    assert " at 0x" not in str(shown)
    for name, field in request_type.model_fields.items():
        parameter = shown.parameters[name]
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert (parameter.default is inspect.Parameter.empty) == field.is_required()


@pytest.mark.parametrize("request_type", REQUESTS[:3])
def test_what_checkers_see_has_every_field_with_its_default(
    request_type: type[TradingRequest],
) -> None:
    source = inspect.getsourcefile(request_type)
    assert source is not None
    (definition,) = (
        node
        for node in ast.parse(Path(source).read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == request_type.__name__
    )
    (written,) = (
        node.args
        for node in ast.walk(definition)
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )
    fields = {
        node.target.id: node.value and ast.unparse(node.value)
        for node in definition.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    assert [argument.arg for argument in written.kwonlyargs] == list(fields)
    assert [default and ast.unparse(default) for default in written.kw_defaults] == list(
        fields.values()
    )


def test_integers_of_other_libraries_are_taken() -> None:
    twelve: Any = Twelve()
    request = NewOrderRequest(
        symbol_id=twelve,
        side=OrderSide.BUY,
        volume=twelve,
        order_type=OrderType.LIMIT,
        limit_price=twelve,
    )
    assert (request.symbol_id, request.volume, request.limit_price) == (12, 12, 12.0)
    assert type(request.symbol_id) is int
    with pytest.raises(OrderInvalidError, match=r"volume must be .* as an int, not True"):
        ClosePositionRequest(position_id=12, volume=True)
