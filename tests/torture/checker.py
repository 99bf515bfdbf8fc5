"""Judge a client's history by the broker's books.

It knows neither the client's nor the simulator's logic: it compares what a client said of each
request with what the ledger holds, and what reached it with what its handlers were told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from ctrader.proto import ProtoOAOrderStatus, ProtoOAOrderType
from tests.torture.history import Ask, Ending, Foreign, Request, Resolution

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.torture.history import History

__all__ = ["USUAL", "Rules", "breaches_of"]

_CANCELLED: Final = ProtoOAOrderStatus.ORDER_STATUS_CANCELLED
_REJECTED: Final = ProtoOAOrderStatus.ORDER_STATUS_REJECTED
_STOP: Final = ProtoOAOrderType.STOP
_LIVE_WITHIN: Final = 120.0  # seconds after the last fault
_UNTOLD: Final = 125.0  # seconds before a kill: what arrived may have died with the process
_AWAY: Final = 125.0  # seconds after a kill: the next process tells what happened since it came
_OPEN_ENDS: Final = frozenset({Ending.UNKNOWN, Ending.KILLED})

_Order = dict[str, Any]  # Any: an order of the ledger is a JSON object


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is demanded of a client besides the rest."""

    resolution: bool = True
    """Whether every unknown outcome must be found out by the end of the run."""
    recovery: bool = True
    """Whether deals of an outage must be told later."""
    once: bool = True
    """Whether a deal whose event comes twice must be told once."""


USUAL: Final = Rules()
"""What is demanded of every client."""
LEAST: Final = Rules(resolution=False, recovery=False, once=False)
"""What even a client must do that finds nothing out by itself."""


def breaches_of(
    history: History,
    ledger: Mapping[str, Any],  # Any: a JSON document
    rules: Rules = USUAL,
) -> list[str]:
    """List everything that a client did or said against the books, empty where nothing.

    Args:
        history: What the client did and was told.
        ledger: The books at the end, as `ledger_of` gives them.
        rules: What is demanded besides.
    """
    books = {account["terms"]["account_id"]: account for account in ledger["accounts"]}
    return [
        *_endings(history, rules),
        *_new_orders(history, books),
        *_cancels(history, books),
        *_amendments(history, books),
        *_protections(history, books),
        *_closes(history, books),
        *_deals(history, books, rules),
        *_tokens(history),
        *_life(history),
    ]


# Private


def _endings(history: History, rules: Rules) -> Iterable[str]:
    for request in history.requests:
        if request.ending is None:
            yield f"never ended: {request}"
        elif request.ending is Ending.OTHER:
            yield f"ended as no trading call may: {request}"
        elif request.ending is not Ending.UNKNOWN and request.resolution is not None:
            yield f"resolved what was known: {request}"
        elif rules.resolution and request.ending is Ending.UNKNOWN and request.resolution is None:
            yield f"never resolved: {request}"


def _orders_of(books: Mapping[int, Any], account_id: int) -> list[_Order]:
    return cast("list[_Order]", books[account_id]["orders"])


def _new_orders(history: History, books: Mapping[int, Any]) -> Iterable[str]:
    for client_order_id, times in history.left_orders.items():
        if times > 1:
            yield f"sent {times} times: {client_order_id}"
    asked = [request for request in history.requests if request.ask is Ask.NEW]
    by_id: defaultdict[tuple[int, str], list[_Order]] = defaultdict(list)
    for account_id in books:
        for order in _orders_of(books, account_id):
            if order["client_order_id"] is not None:
                by_id[account_id, order["client_order_id"]].append(order)
    for request in asked:
        found = by_id[request.account_id, request.client_order_id]
        executed = [order for order in found if order["status"] != _REJECTED]
        left = history.left_orders[request.client_order_id]
        if len(found) > 1:
            yield f"doubled, {len(found)} orders in the ledger: {request}"
        match _said(request):
            case True if not executed and not _was_pending(request, found):
                yield f"lost, the ledger has none: {request}"
            case False if executed:
                yield f"the ledger has it as order {executed[0]['order_id']}: {request}"
            case _:
                pass
        if request.ending is Ending.NOT_SENT and left:
            yield f"not sent, but it left: {request}"
        if request.ending is Ending.DONE and len(found) == 1:
            yield from _same_order(request, found[0])


def _was_pending(request: Request, found: list[_Order]) -> bool:
    """Whether an order may have been taken, though it was rejected when its price came."""
    return request.price is not None and bool(found)


def _said(request: Request) -> bool | None:
    """Return whether the client says that it happened; None where it says neither."""
    if request.ending is Ending.DONE:
        return True
    if request.ending in (Ending.REJECTED, Ending.NOT_SENT):
        return False
    if request.resolution is None:
        return None
    return request.resolution is Resolution.HAPPENED


def _same_order(request: Request, order: _Order) -> Iterable[str]:
    if order["order_id"] != request.order_id:
        yield f"told of order {request.order_id}, it is {order['order_id']}: {request}"
    if order["volume"] != request.volume:
        yield f"the ledger's volume is {order['volume']}: {request}"


def _cancels(history: History, books: Mapping[int, Any]) -> Iterable[str]:
    by_order = _grouped(history, Ask.CANCEL)
    by_others = {(each.account_id, each.order_id) for each in _foreign(history, Ask.CANCEL)}
    for (account_id, order_id), requests in by_order.items():
        order = _order(books, account_id, order_id)
        if order is None:
            yield f"cancels of an order that is not: {requests[0]}"
            continue
        is_cancelled = order["status"] == _CANCELLED
        said = [_said(request) for request in requests]
        if any(said) and not is_cancelled:
            yield f"not cancelled, its status is {order['status']}: {requests[said.index(True)]}"
        ended = (order["updated"] or 0) / 1000 - history.unix_start
        is_ours = (account_id, order_id) not in by_others and ended >= requests[0].asked_at
        if _lost_its_rest(order):
            continue
        if is_cancelled and is_ours and all(each is False for each in said):
            yield f"cancelled all the same: {requests[0]}"


def _lost_its_rest(order: _Order) -> bool:
    """Whether the broker cancelled what was left of an order that filled in parts."""
    return bool(order["order_type"] == _STOP and order["executed_volume"])


def _amendments(history: History, books: Mapping[int, Any]) -> Iterable[str]:
    prices = {
        (request.account_id, request.order_id): request.price
        for request in history.requests
        if request.ask is Ask.NEW and request.order_id is not None
    }
    for (account_id, order_id), requests in _grouped(history, Ask.AMEND).items():
        order = _order(books, account_id, order_id)
        if order is None:
            yield f"amendments of an order that is not: {requests[0]}"
            continue
        wire = order["limit_price"] if order["limit_price"] is not None else order["stop_price"]
        others = [
            each
            for each in _foreign(history, Ask.AMEND)
            if (each.account_id, each.order_id) == (account_id, order_id)
        ]
        if wire not in _may_be(requests, others, prices.get((account_id, order_id))):
            yield f"its price is {wire} in 1/100000: {requests[-1]}"


def _protections(history: History, books: Mapping[int, Any]) -> Iterable[str]:
    asked: defaultdict[tuple[int, int], list[Request]] = defaultdict(list)
    for request in history.requests:
        if request.ask is Ask.PROTECT and request.position_id is not None:
            asked[request.account_id, request.position_id].append(request)
    for (account_id, position_id), requests in asked.items():
        if books[account_id]["terms"]["account_type"] == _NETTED:
            continue  # each order brings its own protection to the one position of its symbol
        position = next(
            (each for each in books[account_id]["positions"] if each["position_id"] == position_id),
            None,
        )
        others = [
            each
            for each in _foreign(history, Ask.PROTECT)
            if (each.account_id, each.position_id) == (account_id, position_id)
        ]
        if position is not None and position["stop_loss"] not in _may_be(requests, others, None):
            yield f"its stop loss is {position['stop_loss']} in 1/100000: {requests[-1]}"


def _may_be(
    requests: list[Request], others: list[Foreign], at_first: float | None
) -> set[int | None]:
    """Return in 1/100000 what a price may be in the end, after what was said of its changes."""
    allowed = {each.price for each in requests if _said(each) is None}
    done = [each for each in requests if _said(each) is True]
    if done:
        last = max(done, key=lambda each: each.ended_at)
        allowed.add(last.price)
        allowed.update(each.price for each in others if each.at >= last.asked_at)
    else:
        allowed.add(at_first)
        allowed.update(each.price for each in others)
    return {None if each is None else round(each * 100_000) for each in allowed}


def _closes(history: History, books: Mapping[int, Any]) -> Iterable[str]:
    ours = {request.client_order_id for request in history.requests if request.ask is Ask.NEW}
    others = {(each.account_id, made) for each in history.foreign for made in each.made}
    closed: defaultdict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for account_id in books:
        for order in _orders_of(books, account_id):
            is_asked = order["closing"] and order["client_order_id"] not in ours
            is_asked = is_asked and (account_id, order["order_id"]) not in others
            by_broker = order["stop_out"] or order["order_type"] == _PROTECTIVE
            if is_asked and not by_broker and order["executed_volume"]:
                closed[account_id, order["position_id"]][order["volume"]] += 1
    asked: defaultdict[tuple[int, int], list[Request]] = defaultdict(list)
    for request in history.requests:
        if request.ask is Ask.CLOSE and request.position_id is not None:
            asked[request.account_id, request.position_id].append(request)
    for key in asked.keys() | closed.keys():
        done = Counter(each.volume for each in asked[key] if _said(each) is True)
        open_ = Counter(each.volume for each in asked[key] if _said(each) is None)
        found = closed[key]
        if done - found:
            yield f"closes of {key} that the ledger lacks: {dict(done - found)}"
        if found - done - open_:
            yield f"closes of {key} that nobody may have made: {dict(found - done - open_)}"


def _deals(history: History, books: Mapping[int, Any], rules: Rules) -> Iterable[str]:
    deals = {deal["deal_id"] for account in books.values() for deal in account["deals"]}
    told = {deal_id for _, deal_id in history.told_deals}
    for deal_id in sorted(told - deals):
        yield f"told of deal {deal_id}, which is none"
    if rules.once:
        for (life, deal_id), times in history.told_deals.items():
            if times > 1:
                yield f"deal {deal_id} was told {times} times by process {life}"
    for (life, deal_id), at in history.arrived_deals.items():
        died = history.kills[life] if life < len(history.kills) else None
        if (life, deal_id) not in history.told_deals and (died is None or at < died - _UNTOLD):
            yield f"deal {deal_id} arrived at {at:.3f} s in process {life}, and nobody was told"
    if rules.recovery:
        moments = {
            deal["deal_id"]: deal["executed"] / 1000 - history.unix_start
            for account in books.values()
            for deal in account["deals"]
            if deal["filled_volume"]  # the rest are attempts
        }
        for deal_id in sorted(moments.keys() - told):
            at = moments[deal_id]
            if not any(-_UNTOLD < at - kill < _AWAY for kill in history.kills):
                yield f"deal {deal_id} of {at:.3f} s was never told"


def _tokens(history: History) -> Iterable[str]:
    for at, token in history.refresh_left:
        answered = history.refresh_answered.get(token)
        if answered is not None and at > answered:
            yield f"a refresh token left at {at:.3f} s, whose answer came at {answered:.3f} s"
    given = max(history.refreshed.values(), default=None)
    if given is not None and history.refresh_end not in history.kept_tokens:
        yield f"a pair that was given at {given:.3f} s, or a later one, is not kept in the end"


def _life(history: History) -> Iterable[str]:
    if history.gave_up is not None:
        yield f"gave up: {history.gave_up}"
    for each in history.standings:
        if each.missing:
            yield f"not active at {each.at:.3f} s, {each.why}: {', '.join(each.missing)}"
    limit = history.faults_end + _LIVE_WITHIN
    if history.lively_at is None or history.lively_at > limit:
        since = "never" if history.lively_at is None else f"{history.lively_at:.3f} s"
        yield f"everything should work by {limit:.3f} s, it did {since}"


def _grouped(history: History, ask: Ask) -> dict[tuple[int, int], list[Request]]:
    grouped: defaultdict[tuple[int, int], list[Request]] = defaultdict(list)
    for request in history.requests:
        if request.ask is ask and request.order_id is not None:
            grouped[request.account_id, request.order_id].append(request)
    return grouped


def _foreign(history: History, ask: Ask) -> list[Foreign]:
    return [each for each in history.foreign if each.ask is ask]


def _order(books: Mapping[int, Any], account_id: int, order_id: int) -> _Order | None:
    return next(
        (each for each in _orders_of(books, account_id) if each["order_id"] == order_id), None
    )


_NETTED: Final = 1  # ProtoOAAccountType.NETTED
_PROTECTIVE: Final = 4  # ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT
