"""The one interface through which a test makes the broker do what it should not.

`Exchange.script` is for virtual time, `Simulator.script` for sockets; the latter may be called
from any thread. All times are seconds of the driver's clock.
"""

from __future__ import annotations

from contextlib import nullcontext
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

from google.protobuf.message import Message

from ctrader.proto import ProtoOADealStatus
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.protocol.envelope import Envelope, encode_envelope
from ctrader.simulator.catalogue import PRICE_UNITS, SymbolSpec
from ctrader.simulator.checked import check_integer, check_text
from ctrader.simulator.maintenance import Maintenance
from ctrader.simulator.scripting.named import account_of, kind_of, known_kind, symbol_of
from ctrader.simulator.scripting.picks import Enter, FramePick, RequestPick
from ctrader.simulator.scripting.terminal import Terminal

if TYPE_CHECKING:
    from ctrader.simulator.exchange import Connection, Exchange

__all__ = ["Script"]

_LONGEST: Final = 1e9  # seconds; longer than any test
_DUST: Final = Decimal("1e-12")  # of a price; a sum of some hundred floats is off by less


class Script:
    """What happens beside, instead of or against what the broker would do by itself.

    Pick what is coming, and say what becomes of it:

    ```python
    simulator.script.next_answer(ProtoOANewOrderReq).drop()
    simulator.script.next_request(ProtoOATraderReq).refuse("NEW_CODE", "Nobody knows this one")
    simulator.script.next_frame(ProtoOASpotEvent, skip=9).close(reset=True)
    ```

    Connections are counted from 1 in the order in which clients came; None means all. Functions
    that are given to a pick are called by whatever drives the broker, on sockets the serving
    thread; an error in one of them ends the simulator.
    """

    def __init__(self, exchange: Exchange, enter: Enter = nullcontext) -> None:
        """Write on an exchange.

        Args:
            exchange: The broker.
            enter: Opens the context in which the exchange may be touched.
        """
        self._exchange = exchange
        self._enter = enter

    # What is coming

    def next_answer(
        self,
        to: type[Message] | None = None,
        *,
        connection: int | None = None,
        skip: int = 0,
        times: int | None = 1,
    ) -> FramePick:
        """Pick the next answers that the server sends.

        An order has several: each event that carries its id is one.

        Args:
            to: Only answers to this kind of request, such as `ProtoOANewOrderReq`.
            connection: Only those on one connection.
            skip: How many to let pass first.
            times: How many to pick; None picks all from then on.

        Raises:
            TypeError: the kind is no class of messages.
            ValueError: `skip` or `times` is out of range, or this is no message of the Open API.
        """
        return FramePick(
            exchange=self._exchange,
            enter=self._enter,
            connection=connection,
            skip=skip,
            times=times,
            to=None if to is None else known_kind(to),
        )

    def next_frame(
        self,
        kind: type[Message] | None = None,
        *,
        connection: int | None = None,
        skip: int = 0,
        times: int | None = 1,
    ) -> FramePick:
        """Pick the next frames that the server sends: answers, events and heartbeats.

        Args:
            kind: Only those with this kind of message, such as `ProtoOASpotEvent`.
            connection: Only those on one connection.
            skip: How many to let pass first; 9 begins with the tenth.
            times: How many to pick; None picks all from then on.

        Raises:
            TypeError: the kind is no class of messages.
            ValueError: `skip` or `times` is out of range, or this is no message of the Open API.
        """
        return FramePick(
            exchange=self._exchange,
            enter=self._enter,
            connection=connection,
            skip=skip,
            times=times,
            kind=None if kind is None else known_kind(kind),
            any_frame=True,
        )

    def next_request(
        self,
        kind: type[Message] | None = None,
        *,
        connection: int | None = None,
        skip: int = 0,
        times: int | None = 1,
    ) -> RequestPick:
        """Pick the next requests that clients send; heartbeats are none.

        Args:
            kind: Only requests of this kind.
            connection: Only those on one connection.
            skip: How many to let pass first.
            times: How many to pick; None picks all from then on.

        Raises:
            TypeError: the kind is no class of messages.
            ValueError: `skip` or `times` is out of range, or this is no message of the Open API.
        """
        return RequestPick(
            exchange=self._exchange,
            enter=self._enter,
            connection=connection,
            skip=skip,
            times=times,
            kind=None if kind is None else known_kind(kind),
        )

    def clear(self) -> None:
        """Forget every rule that picks made; what they keep back is sent in its time."""
        with self._enter():
            self._exchange.interference.clear()

    # Frames out of nowhere

    def inject(
        self,
        message: Message,
        client_msg_id: str | None = None,
        *,
        connection: int | None = None,
    ) -> int:
        """Send a message that nothing on the broker's side caused.

        Args:
            message: Any message of the Open API; required fields may be missing.
            client_msg_id: The id that it carries.
            connection: The only connection that gets it.

        Returns: How many connections it was sent on.

        Raises:
            TypeError: this is no message at all.
            ValueError: this is no message of the Open API, or no id can be such a text.
        """
        kind = kind_of(message)
        return self.inject_frame(
            PAYLOAD_TYPE_BY_MESSAGE[kind],
            message.SerializePartialToString(),
            client_msg_id,
            connection=connection,
        )

    def inject_frame(
        self,
        payload_type: int,
        payload: bytes = b"",
        client_msg_id: str | None = None,
        *,
        connection: int | None = None,
    ) -> int:
        """Send a whole frame of any payload type with any content.

        Args:
            payload_type: Its number, known or not.
            payload: What stands in it.
            client_msg_id: The id that it carries.
            connection: The only connection that gets it.

        Returns: How many connections it was sent on.

        Raises:
            FramingError: it is longer than any frame may be.
            ValueError: no frame has such a type or id.
        """
        check_integer("payload_type", payload_type, 0, 2**32 - 1)
        if client_msg_id is not None:
            check_text("client_msg_id", client_msg_id)
        encode_envelope(payload_type, payload, client_msg_id)  # fails here, not halfway through
        return self._inject(Envelope(payload_type, payload, client_msg_id), connection)

    def inject_bytes(self, data: bytes, *, connection: int | None = None) -> int:
        """Send bytes that need be no frame at all; the record does not hold them.

        Args:
            data: What to send.
            connection: The only connection that gets them.

        Returns: How many connections they were sent on.
        """
        return self._inject(data, connection)

    # Ends

    @property
    def connections(self) -> list[int]:
        """The numbers of the connections that stand."""
        with self._enter():
            return [each.number for each in self._exchange.connections]

    def close(self, connection: int | None = None) -> None:
        """End connections in good order."""
        with self._enter():
            for each in self._chosen(connection):
                each.close("script")

    def cut(self, connection: int | None = None) -> None:
        """End connections abruptly, with a reset, as when a machine is gone.

        That includes those that have ended, but whose client has not yet read the last of it.
        """
        with self._enter():
            for each in (*self._chosen(connection), *self._exchange.ending_connections):
                if connection is None or each.number == connection:
                    each.close("script", reset=True)

    def fall_silent(self, connection: int | None = None) -> None:
        """Let connections die without a word: they stay open, and nothing goes either way.

        It cannot be undone; a client that connects anew is served.
        """
        with self._enter():
            for each in self._chosen(connection):
                each.fall_silent()

    def disconnect_account(self, account_id: int) -> None:
        """End an account's session on every connection, with its event; connections stay.

        Raises:
            KeyError: there is no such account.
        """
        with self._enter():
            account_of(self._exchange, account_id)
            self._exchange.disconnect_account(account_id)

    def disconnect_client(
        self, reason: str = "Disconnected by the broker", *, client_id: str | None = None
    ) -> None:
        """End a program's session on every connection, with its event; connections stay.

        Args:
            reason: What the event says.
            client_id: The program, by default the first.

        Raises:
            ValueError: no event can hold such a reason.
        """
        check_text("reason", reason)
        with self._enter():
            if client_id is None:
                client_id = self._exchange.grants.first_client_id
            self._exchange.disconnect_client(client_id, reason)

    def delete_account(self, account_id: int) -> None:
        """Let an account be gone for good; its sessions end.

        Whoever tries to authorise it from then on is refused with `RET_NO_SUCH_LOGIN`.

        Raises:
            KeyError: there is no such account.
        """
        with self._enter():
            account_of(self._exchange, account_id)
            self._exchange.delete_account(account_id)

    def revoke_token(self, access_token: str | None = None) -> None:
        """Withdraw a grant, as its user may at any time: its tokens and sessions end.

        Args:
            access_token: A present token of the grant, by default the first grant's.

        Raises:
            KeyError: no grant has such a token.
        """
        with self._enter():
            for grant in self._exchange.grants.grants:
                if access_token is None or grant.access_token == access_token:
                    self._exchange.revoke(grant)
                    return
        raise KeyError("no grant has this access token")

    def begin_maintenance(
        self,
        seconds: float,
        *,
        frame: Literal["open_api", "common"] = "open_api",
        code: str = "SERVER_IS_UNDER_MAINTENANCE",
        accepts_connections: bool = True,
    ) -> None:
        """Refuse every request for a time, as on some weekends.

        Connections stay, unless `Switches.maintenance_closes` ends them.

        Args:
            seconds: How long, rounded to whole seconds of the day's time.
            frame: Which error answer says so.
            code: Its error code; `CANT_ROUTE_REQUEST` is the other that was seen.
            accepts_connections: Whether new connections are taken; otherwise they are closed.

        Raises:
            ValueError: it is no time, code or frame.
        """
        if not 0 <= seconds < _LONGEST:
            raise ValueError(f"seconds must be a number from 0 to {_LONGEST:g}, not {seconds}")
        if frame not in ("open_api", "common"):
            raise ValueError(f"frame must be 'open_api' or 'common', not {frame!r}")
        check_text("code", code)
        with self._enter():
            if self._exchange.switches.maintenance_closes:
                for each in self._exchange.connections:
                    each.close("maintenance")
            self._exchange.maintenance = Maintenance(
                self._exchange.unix_now() + max(1, round(seconds)),
                frame,
                code,
                accepts_connections,
            )

    def end_maintenance(self) -> None:
        """End the maintenance early."""
        with self._enter():
            self._exchange.maintenance = None

    # The market and the people in it

    def set_price(self, symbol: str | int, bid: float | Decimal, ask: float | Decimal) -> None:
        """Give a symbol a price, and hold it there; orders that wait for it are filled.

        Args:
            symbol: Name or id.
            bid: With no more digits than the symbol's prices have; the dust of binary fractions,
                as in 1.1 + 0.0002, is none.
            ask: The same.

        Raises:
            KeyError: the broker has no such symbol; the text lists those that it has.
            ValueError: a side is not a positive number, or has too many digits, or the bid lies
                over the ask.
        """
        with self._enter():
            spec = symbol_of(self._exchange, symbol)
            units = _units(bid, spec), _units(ask, spec)
            if units[0] > units[1]:
                raise ValueError(f"the bid of {spec.name}, {bid}, lies over the ask, {ask}")
            self._exchange.set_price(spec.symbol_id, *units)

    def hold_prices(self, *symbols: str | int) -> None:
        """Let symbols stand still, all of them where none is named.

        Raises:
            KeyError: the broker has no such symbol.
        """
        with self._enter():
            for spec in self._symbols(symbols):
                self._exchange.hold_price(spec.symbol_id)

    def release_prices(self, *symbols: str | int) -> None:
        """Let symbols move by themselves again, all of them where none is named.

        Raises:
            KeyError: the broker has no such symbol.
        """
        with self._enter():
            for spec in self._symbols(symbols):
                self._exchange.release_price(spec.symbol_id)

    def fill_next_order(self, *volumes: int, account_id: int | None = None) -> None:
        """Give the next order that comes to be filled these parts, and nothing more.

        What it wants beyond them waits for the next price if it may wait, and ends otherwise.

        Args:
            volumes: The parts, in hundredths of a unit, each after the fill delay.
            account_id: Whose order; None is anybody's.

        Raises:
            KeyError: there is no such account.
            ValueError: a part is no volume, or there is none.
        """
        for volume in volumes:
            check_integer("a part", volume, 1)
        with self._enter():
            if account_id is not None:
                account_of(self._exchange, account_id)
            self._exchange.floor.script_fill(*volumes, account_id=account_id)

    def reject_next_order(
        self, code: str, *, deal_status: int | None = None, account_id: int | None = None
    ) -> None:
        """Reject the next order that comes to be filled, after it was accepted.

        Args:
            code: Why, as an error code.
            deal_status: Status of an empty deal that goes with it; None sends none.
            account_id: Whose order; None is anybody's.

        Raises:
            KeyError: there is no such account.
            ValueError: no event can hold such a code, or no deal has such a status.
        """
        check_text("code", code)
        if deal_status is not None and deal_status not in ProtoOADealStatus.values():
            raise ValueError(
                f"deal_status must be one of ProtoOADealStatus, "
                f"{list(ProtoOADealStatus.values())}, not {deal_status!r}"
            )
        with self._enter():
            if account_id is not None:
                account_of(self._exchange, account_id)
            self._exchange.floor.script_rejection(
                code, deal_status=deal_status, account_id=account_id
            )

    def deposit(self, account_id: int, amount: Decimal, *, note: str | None = None) -> None:
        """Add money to an account's balance, with its event.

        Args:
            account_id: The account.
            amount: How much, in units of the deposit currency; positive.
            note: Text that goes with it.

        Raises:
            KeyError: there is no such account.
            ValueError: the account cannot keep such an amount or note.
        """
        if note is not None:
            check_text("note", note)
        with self._enter():
            account_of(self._exchange, account_id)
            self._exchange.deposit(account_id, amount, note=note)

    def withdraw(self, account_id: int, amount: Decimal, *, note: str | None = None) -> None:
        """Take money from an account's balance, be it there or not, with its event.

        Args:
            account_id: The account.
            amount: How much, in units of the deposit currency; positive.
            note: Text that goes with it.

        Raises:
            KeyError: there is no such account.
            ValueError: the account cannot keep such an amount or note.
        """
        if note is not None:
            check_text("note", note)
        with self._enter():
            account_of(self._exchange, account_id)
            self._exchange.withdraw(account_id, amount, note=note)

    def change_symbol(self, symbol: str | int, **terms: object) -> None:
        """Change terms of a symbol, with the event that tells every account.

        Args:
            symbol: Name or id.
            terms: Fields of `SymbolSpec` with their new values.

        Raises:
            KeyError: the broker has no such symbol.
            TypeError: a symbol has no such term.
            ValueError: what the symbol is cannot change, only what it is traded on.
        """
        with self._enter():
            self._exchange.change_symbol(symbol_of(self._exchange, symbol).symbol_id, **terms)

    def change_account(self, account_id: int, **terms: object) -> None:
        """Change terms of an account, such as `access_rights`, with its event.

        Args:
            account_id: The account.
            terms: Fields of `AccountSpec` with their new values.

        Raises:
            KeyError: there is no such account.
            TypeError: an account has no such term.
            ValueError: what the account is cannot change.
        """
        with self._enter():
            account_of(self._exchange, account_id)
            self._exchange.change_account(account_id, **terms)

    def terminal(self, account_id: int) -> Terminal:
        """Sit down at another terminal of an account, which trades without a connection.

        Raises:
            KeyError: there is no such account.
        """
        return Terminal(self._exchange, account_id, self._enter)

    def refuse_consent(self, error: str = "access_denied") -> None:
        """Let the user refuse the next authorisation: the browser returns with an error.

        Raises:
            ValueError: the error is no text.
        """
        check_text("error", error)
        with self._enter():
            self._exchange.consent.error = error

    def pick_accounts(self, *account_ids: int) -> None:
        """Let the user grant only some accounts from now on, all where none is named.

        Raises:
            KeyError: there is no such account.
        """
        with self._enter():
            for account_id in account_ids:
                account_of(self._exchange, account_id)
            self._exchange.consent.account_ids = account_ids or None

    # Private

    def _inject(self, data: bytes | Envelope, connection: int | None) -> int:
        with self._enter():
            chosen = self._chosen(connection)
            for each in chosen:
                each.inject(data)
            return len(chosen)

    def _chosen(self, connection: int | None) -> tuple[Connection, ...]:
        return tuple(
            each
            for each in self._exchange.connections
            if connection is None or each.number == connection
        )

    def _symbols(self, symbols: tuple[str | int, ...]) -> list[SymbolSpec]:
        if not symbols:
            return list(self._exchange.symbols.values())
        return [symbol_of(self._exchange, symbol) for symbol in symbols]


def _units(price: float | Decimal, symbol: SymbolSpec) -> int:
    exact = Decimal(str(price))
    if not exact.is_finite() or not 0 < exact < 1_000_000_000:
        raise ValueError(f"a price of {symbol.name} must be a positive number, not {price}")
    rounded = round(exact, symbol.digits)
    if abs(exact - rounded) > exact * _DUST:
        raise ValueError(
            f"{symbol.name} has {symbol.digits} digits, and {price} has more; "
            f"give round(price, {symbol.digits})"
        )
    return int(rounded * PRICE_UNITS)
