"""Accounts: which a token opens, what they hold, what was paid in or out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrader.api.base import BaseAPI
from ctrader.operations import accounts as operations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from ctrader.enums import NotificationType
    from ctrader.models.accounts import Account, AccountSummary, CtidProfile, DepositWithdraw
    from ctrader.models.risk import DynamicLeverage, ExpectedMargin, MarginCall

__all__ = ["AccountsAPI"]


class AccountsAPI(BaseAPI):
    """Everything about accounts that is not trading.

    Every method takes `timeout`: seconds until it ends with an error, waiting in the queue
    included; None takes the client's `request_timeout`. Every method may raise

    - `APIError`: the server refused the request; its class and `error_code` say why.
    - `CTraderConnectionTimeoutError`: no answer in time. After a lost link a request waits for
      the next one and is sent again, inside its time.
    - `CTraderConnectionError`: the client is not connected, or gave up reconnecting.
    """

    __slots__ = ()

    async def get_trader(self, account_id: int, timeout: float | None = None) -> Account:
        """Ask for an account: balance, leverage, currency, rights.

        Backed by `ProtoOATraderReq`.

        Args:
            account_id: The account; it must be authenticated.
            timeout: Seconds; None takes the client's default.

        Returns: The account; money is exact, in the account's currency.
        Raises: AccountAuthError: the account is not authenticated on this client.
        """
        return await self._runner.run(operations.get_trader(account_id), timeout)

    async def list_by_token(
        self, access_token: str, timeout: float | None = None
    ) -> list[AccountSummary]:
        """List the accounts that an access token opens, live and demo alike.

        Backed by `ProtoOAGetAccountListByAccessTokenReq`; the application's authentication is
        enough. A live account can be used on the live host only, a demo account on the demo host.
        What the token may do, look or trade too, is in `permission_scope` of each.

        Args:
            access_token: The token.
            timeout: Seconds; None takes the client's default.

        Raises: AuthenticationError: the token is not accepted.
        """
        return await self._runner.run(operations.list_by_token(access_token), timeout)

    async def resolve_account_id(
        self, access_token: str, trader_login: int, timeout: float | None = None
    ) -> int:
        """Find the id of the account that has a login.

        Of several accounts with this login those of the client's host, live or demo, are
        preferred.

        Args:
            access_token: A token that opens the account.
            trader_login: The number that the trader sees in the terminal.
            timeout: Seconds; None takes the client's default.

        Raises:
            AccountNotFoundError: the token opens no account with this login; the error lists
                those it opens.
            ConfigurationError: it opens several, of several brokers; the error lists them.
            AuthenticationError: the token is not accepted.
        """
        is_live = operations.environment_of(self._runner.config.host)
        return await self._runner.run(
            operations.resolve_account_id(access_token, trader_login, is_live=is_live), timeout
        )

    async def get_profile(self, access_token: str, timeout: float | None = None) -> CtidProfile:
        """Ask which user an access token belongs to.

        Backed by `ProtoOAGetCtidProfileByTokenReq`; the application's authentication is enough.

        Args:
            access_token: The token.
            timeout: Seconds; None takes the client's default.

        Raises: AuthenticationError: the token is not accepted.
        """
        return await self._runner.run(operations.get_profile(access_token), timeout)

    async def get_cash_flow(
        self,
        account_id: int,
        from_timestamp: datetime,
        to_timestamp: datetime,
        timeout: float | None = None,
    ) -> list[DepositWithdraw]:
        """List deposits, withdrawals and other changes of the balance that are no deals.

        Backed by `ProtoOACashFlowHistoryListReq`, one request a week, at most 4 a second.

        Args:
            account_id: The account.
            from_timestamp: Begin, an aware datetime.
            to_timestamp: End, an aware datetime.
            timeout: Seconds for each request; None takes the client's default.

        Returns: The changes, oldest first.
        Raises: ValueError: a time is naive, or the first is the later.
        """
        return await self._runner.run(
            operations.get_cash_flow(account_id, from_timestamp, to_timestamp), timeout, paged=True
        )

    async def get_expected_margin(
        self,
        account_id: int,
        symbol_id: int,
        volumes: Sequence[int],
        timeout: float | None = None,
    ) -> list[ExpectedMargin]:
        """Ask what margin orders of some volumes would use, in the account's currency.

        Backed by `ProtoOAExpectedMarginReq`.

        Args:
            account_id: The account.
            symbol_id: The symbol.
            volumes: Volumes in hundredths of a unit (100_000 is 1,000 units).
            timeout: Seconds; None takes the client's default.

        Raises:
            ValueError: a volume is no int above 0; nothing was sent.
        """
        return await self._runner.run(
            operations.get_expected_margin(account_id, symbol_id, volumes), timeout
        )

    async def get_dynamic_leverage(
        self, account_id: int, leverage_id: int, timeout: float | None = None
    ) -> DynamicLeverage:
        """Ask how leverage falls as exposure grows.

        Backed by `ProtoOAGetDynamicLeverageByIDReq`.

        Args:
            account_id: The account.
            leverage_id: Which scale, as `Symbol.leverage_id` names it.
            timeout: Seconds; None takes the client's default.
        """
        return await self._runner.run(
            operations.get_dynamic_leverage(account_id, leverage_id), timeout
        )

    async def get_margin_calls(
        self, account_id: int, timeout: float | None = None
    ) -> list[MarginCall]:
        """List the three margin levels at which the server warns.

        Backed by `ProtoOAMarginCallListReq`.

        Args:
            account_id: The account.
            timeout: Seconds; None takes the client's default.
        """
        return await self._runner.run(operations.get_margin_calls(account_id), timeout)

    async def update_margin_call(
        self,
        account_id: int,
        margin_call_type: NotificationType,
        margin_level_threshold: Decimal | float,
        timeout: float | None = None,
    ) -> None:
        """Set one of the margin levels at which the server warns.

        Backed by `ProtoOAMarginCallUpdateReq`, which is never sent a second time by itself.

        Args:
            account_id: The account.
            margin_call_type: Which of the three.
            margin_level_threshold: The level in percent, 0 or more.
            timeout: Seconds; None takes the client's default.

        Raises:
            ValueError: there is no such margin call, or the level is none; nothing was sent.
        """
        return await self._runner.run(
            operations.update_margin_call(account_id, margin_call_type, margin_level_threshold),
            timeout,
        )

    async def subscribe_pnl(self, account_id: int, timeout: float | None = None) -> None:
        """Subscribe to the profit of all open positions, as `PnLChangeEvent`.

        Backed by `ProtoOAv1PnLChangeSubscribeReq`, which is in the newest schema only: many a
        server does not take it, or says nothing. Both are an error here after 5 s at most. It
        stays subscribed across reconnects until it is unsubscribed.

        Args:
            account_id: The account; it must be authenticated.
            timeout: Seconds; None takes the client's default.

        Raises:
            UnsupportedMessageError: the server does not offer it. Poll
                `trading.get_unrealized_pnl_per_position` instead, every 2 to 3 seconds at most.
        """
        return await self._runner.run(operations.subscribe_pnl(account_id), timeout)

    async def unsubscribe_pnl(self, account_id: int, timeout: float | None = None) -> None:
        """Unsubscribe from the profit of all open positions.

        Backed by `ProtoOAv1PnLChangeUnSubscribeReq`; without a subscription nothing is sent.

        Args:
            account_id: The account.
            timeout: Seconds; None takes the client's default.
        """
        return await self._runner.run(operations.unsubscribe_pnl(account_id), timeout)
