"""Bugs that real clients have had, each as a change of one line or two of ours."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["PATCHES", "Patch"]


class Patch(NamedTuple):
    """One bug, and the tests that must notice it."""

    name: str
    """What the client does wrong."""
    path: str
    """The file that is changed."""
    old: str
    """What stands there, once."""
    new: str
    """What stands there with the bug."""
    caught_by: tuple[str, ...] = ()
    """Tests that fail with it, and pass without."""


PATCHES: Final = (
    Patch(
        "an order is sent again after a loss",
        "ctrader/protocol/correlation.py",
        "        return self.call.resend and not self.is_immediate\n",
        "        return True\n",
        (
            "tests/protocol/test_session_auth.py::test_reads_of_a_dropped_account_are_sent_again",
            "tests/protocol/test_session_auth.py::test_orders_that_are_denied_were_definitely_not_executed[ACCOUNT_NOT_AUTHORIZED-]",
        ),
    ),
    Patch(
        "orders wait for the next link",
        "ctrader/protocol/requests.py",
        "        elif call.is_immediate and (obstacle := self._obstacle(call)) is not None:\n"
        "            self._pending.end(pending.call_id, error=trading_failure(call, obstacle))\n",
        "",
        (
            "tests/protocol/test_session_trading.py::test_order_before_the_application_is_not_sent",
            "tests/protocol/test_session_trading.py::test_order_on_an_unknown_account_is_not_sent",
        ),
    ),
    Patch(
        "an answer is matched by its type alone",
        "ctrader/protocol/correlation.py",
        "        return self._sent.get(message_id)\n",
        "        return self._sent.get(message_id) or next(iter(self._sent.values()), None)\n",
        (
            "tests/protocol/test_session_calls.py::test_answer_to_the_old_id_does_not_count_on_the_next_link",
        ),
    ),
    Patch(
        "message ids begin anew with every link",
        "ctrader/protocol/correlation.py",
        '        self._prefix = f"{self._rng.getrandbits(_PREFIX_BITS):016x}"\n',
        '        self._prefix = "client"\n',
        ("tests/protocol/test_correlation.py::test_ids_of_two_links_and_two_processes_differ",),
    ),
    Patch(
        "the next page begins a millisecond before the oldest row",
        "ctrader/operations/windows.py",
        "    older, newer = _Span(start, oldest, oldest), _Span(newest, end, newest)\n",
        "    older, newer = _Span(start, oldest - 1, oldest), _Span(newest, end, newest)\n",
        (
            "tests/operations/test_history.py::test_cut_off_list_is_asked_for_on_both_sides_of_what_came",
            "tests/operations/test_history.py::test_lists_are_complete_whichever_end_the_server_sends",
        ),
    ),
    Patch(
        "an order that one look does not find is absent",
        "ctrader/operations/resolution.py",
        "        return self.looks >= LOOKS - 1 and began >= self.pace.last_look(since, ready)\n",
        "        return True\n",
        (
            "tests/simulator/test_resolution.py::test_order_that_never_arrived_is_absent_after_three_looks_and_a_minute",
            "tests/simulator/test_resolution.py::test_refusal_that_comes_after_the_timeout_settles_it",
        ),
    ),
    Patch(
        "a look that failed counts",
        "ctrader/operations/resolution.py",
        "                search.failed(began)  # the others may be seen all the same\n",
        "                if search.found_nothing(began, each.since, ready):\n"
        "                    outcomes.had_none(each, Evidence.ABSENCE)\n",
        ("tests/simulator/test_resolution.py::test_absence_is_not_proved_by_looks_that_fail",),
    ),
    Patch(
        "the link is judged by when something was sent",
        "ctrader/protocol/heartbeat.py",
        "        self._timers.set(Timer.HEARTBEAT, now + self._interval)\n\n    def received",
        "        self._timers.set(Timer.HEARTBEAT, now + self._interval)\n"
        "        self.received(now)\n\n    def received",
        (
            "tests/protocol/test_session_link.py::test_silent_server_is_given_up",
            "tests/protocol/test_session_link.py::test_every_loss_goes_one_path[silence]",
        ),
    ),
    Patch(
        "no heartbeat is sent while nothing arrives",
        "ctrader/protocol/heartbeat.py",
        "        self.is_due = True\n",
        "        self.is_due = now - self.heard_at < self._interval\n",
        (
            "tests/protocol/test_heartbeat.py::test_any_send_puts_the_heartbeat_off",
            "tests/protocol/test_heartbeat.py::test_due_heartbeat_must_leave_before_the_server_drops_us",
        ),
    ),
    Patch(
        "a clock that was set forward is taken for time that passed",
        "ctrader/protocol/clocks.py",
        "        return 0 if before is None else max(0, suspended - before)\n",
        "        return max(0, ahead)\n",
        (
            "tests/protocol/test_session_clocks.py::test_time_of_day_that_is_set_forward_is_no_sleep_where_the_system_knows_better",
            "tests/protocol/test_session_clocks.py::test_sleep_that_a_hurried_reading_understates_is_not_counted_twice",
        ),
    ),
    Patch(
        "attempts to connect come all at the same moment",
        "ctrader/protocol/backoff.py",
        "        return self._rng.randint(min(self._shortest // 2, ceiling), ceiling)\n",
        "        return ceiling\n",
        ("tests/protocol/test_backoff.py::test_waits_are_spread_over_their_range",),
    ),
    Patch(
        "a link that has just come up counts as healthy",
        "ctrader/protocol/link.py",
        "        context.timers.set(Timer.HEALTHY, context.now + HEALTHY_AFTER)\n",
        "        self._backoff.reset()\n        self._attempts = 0\n",
        ("tests/protocol/test_session_link.py::test_links_that_fall_at_once_count_as_failures",),
    ),
    Patch(
        "a connection is not verified",
        "ctrader/transport.py",
        "    context = ssl.create_default_context()\n",
        "    context = ssl._create_unverified_context()\n",
        ("tests/test_transport.py::test_tls_verifies_certificate_and_name_with_a_current_version",),
    ),
    Patch(
        "a secret shows where its owner is printed",
        "ctrader/config.py",
        "    Field(min_length=1, repr=False, exclude=True),\n",
        "    Field(min_length=1),\n",
        (
            "tests/test_secrets.py::test_settings_and_credentials_do_not_show",
            "tests/test_secrets.py::test_refreshed_tokens_do_not_show",
        ),
    ),
    Patch(
        "an absent bid is 0",
        "ctrader/protocol/decoding.py",
        '        if not bid and not message.HasField("bid"):\n            bid = None\n',
        "",
        (
            "tests/protocol/test_decoding.py::test_last_known_sides_are_remembered",
            "tests/protocol/test_decoding.py::test_event_says_what_the_message_carried[None-None]",
        ),
    ),
    Patch(
        "quotes of the lost link are merged into the new ones",
        "ctrader/protocol/decoding.py",
        "        if account_id is None:\n            self._sides.clear()\n",
        "        if account_id is None:\n",
        ("tests/protocol/test_decoding.py::test_a_lost_link_forgets_the_sides",),
    ),
    Patch(
        "seconds are taken for milliseconds",
        "ctrader/errors.py",
        "            return _EPOCH + timedelta(seconds=value)\n",
        "            return _EPOCH + timedelta(milliseconds=value)\n",
        (
            "tests/test_errors.py::test_maintenance_end_unit_is_told_by_its_size[1795845600-expected0]",
            "tests/test_errors.py::test_maintenance_end_unit_is_told_by_its_size[99999999999-expected3]",
        ),
    ),
    Patch(
        "any error code proves that an order was refused",
        "ctrader/protocol/answers.py",
        "    return trading_refusal(call, error) if call.is_trading else error\n",
        "    if not call.is_trading:\n        return error\n"
        "    return OrderRejectedError.from_api_error(error)\n",
        (
            "tests/protocol/test_session_trading.py::test_error_after_the_acceptance_leaves_the_outcome_unknown[ProtoOAErrorRes]",
            "tests/protocol/test_session_trading.py::test_error_after_a_part_was_filled_leaves_the_outcome_unknown[ProtoOAErrorRes]",
        ),
    ),
    Patch(
        "an event that rejects an order accepts it",
        "ctrader/protocol/answers.py",
        "        case Verdict.REFUSED:\n            assert",
        "        case Verdict.REFUSED if False:\n            assert",
        (
            "tests/protocol/test_session_trading.py::test_execution_event_may_reject_it",
            "tests/protocol/test_session_trading.py::test_refused_change_of_a_partly_filled_order_is_a_refusal[Completion.REPLACED]",
        ),
    ),
    Patch(
        "a late answer is thrown away",
        "ctrader/protocol/outcomes.py",
        "        return None if client_msg_id is None else self._open.get(client_msg_id)\n",
        "        return None\n",
        (
            "tests/simulator/test_resolution.py::test_refusal_that_comes_after_the_timeout_settles_it",
            "tests/simulator/test_resolution.py::test_call_that_was_cancelled_after_it_was_sent_is_in_doubt_until_its_answer",
        ),
    ),
    Patch(
        "an order id is used twice",
        "ctrader/protocol/orders.py",
        "        self._used.add(copy.clientOrderId)\n",
        "",
        ("tests/protocol/test_orders.py::test_repeated_id_is_refused",),
    ),
    Patch(
        "a deal that comes twice is told twice",
        "ctrader/protocol/executions.py",
        "        if message.executionType in kinds:\n            return False\n",
        "",
        (
            "tests/simulator/test_missed_deals.py::test_fill_that_is_told_again_is_delivered_once[1]",
            "tests/simulator/test_missed_deals.py::test_fill_that_is_told_again_is_delivered_once[3]",
        ),
    ),
    Patch(
        "fills that an outage hid are never told",
        "ctrader/protocol/executions.py",
        "                self._missed_from.setdefault(known, since - MARGIN)\n",
        "                pass\n",
        (
            "tests/simulator/test_missed_deals.py::test_fill_that_was_missed_is_told_once_as_recovered",
            "tests/simulator/test_missed_deals.py::test_fills_are_looked_for_until_a_slow_history_shows_them",
        ),
    ),
    Patch(
        "a full mailbox drops what is not a quote",
        "ctrader/protocol/mailbox.py",
        "        if len(self._events) >= self.limit:\n",
        "        if len(self._events) >= self.capacity:\n",
        (
            "tests/protocol/test_mailbox.py::test_executions_beyond_the_capacity_are_kept",
            "tests/protocol/test_mailbox.py::test_consumer_fails_at_the_limit_with_what_it_has",
        ),
    ),
    Patch(
        "the queue of a consumer has no bound",
        "ctrader/protocol/mailbox.py",
        "        if len(events) >= self.capacity and self._put_late(event):\n"
        "            return False\n",
        "",
        (
            "tests/protocol/test_mailbox.py::test_quotes_beyond_the_capacity_merge_per_symbol_and_keep_the_newest_of_each_side",
            "tests/protocol/test_mailbox.py::test_merged_quote_has_no_side_of_a_lost_link",
        ),
    ),
    Patch(
        "required fields are not checked",
        "ctrader/protocol/decoding.py",
        "    missing = missing_fields(message)\n",
        "    missing: tuple[str, ...] = ()\n",
        (
            "tests/protocol/test_decoding.py::test_payload_without_a_required_field_is_refused_by_its_name",
            "tests/protocol/test_session_frames.py::test_quote_that_does_not_decode_is_the_same_event_on_both_paths[\\x10\\x01]",
        ),
    ),
    Patch(
        "a frame of any length is waited for",
        "ctrader/protocol/framing.py",
        "            if length > self._max_length:\n",
        "            if length > 1 << 40:\n",
        (
            "tests/protocol/test_framing.py::test_too_long_a_prefix_is_noticed_before_its_bytes_come",
            "tests/protocol/test_framing.py::test_failure_tells_what_was_announced_and_what_is_allowed",
        ),
    ),
    Patch(
        "the rest of a frame is lost between two reads",
        "ctrader/protocol/framing.py",
        "        if self._held:\n            self._pieces.append(block[position:])\n",
        "",
        (
            "tests/protocol/test_framing.py::test_two_frames_split_anywhere[1]",
            "tests/protocol/test_framing.py::test_two_frames_split_anywhere[2]",
        ),
    ),
    Patch(
        "prices are truncated to the wire",
        "ctrader/units.py",
        "    return value / PRICE_SCALE\n",
        "    return value // 10 / (PRICE_SCALE / 10)\n",
        (
            "tests/test_units.py::test_price_from_wire_is_the_nearest_float",
            "tests/test_units.py::test_every_wire_price_comes_back",
        ),
    ),
    Patch(
        "restoring stops at the first subscription that fails",
        "ctrader/protocol/subscriber.py",
        "        elif len(entries) > 1 and _may_be_about_one(error):\n"
        "            self._ledger.split(entries)\n",
        "",
        (
            "tests/protocol/test_session_subscriptions.py::test_list_with_a_duplicate_is_asked_for_one_by_one",
            "tests/protocol/test_session_subscriptions.py::test_refusal_of_one_symbol_gives_the_others_back",
        ),
    ),
    Patch(
        "a list that is refused for its rate is asked for in as many single requests",
        "ctrader/protocol/subscriber.py",
        "    return not (error.is_rate_limited() or error.is_maintenance())\n",
        "    return True\n",
        (
            "tests/protocol/test_session_subscriptions.py::test_list_that_the_server_does_not_take_now_is_not_taken_apart[rate]",
        ),
    ),
    Patch(
        "orders wait behind the subscriptions of another account",
        "ctrader/protocol/subscriptions.py",
        "            priority=Priority.RECOVERY,\n",
        "            priority=Priority.SESSION,\n",
        (
            "tests/protocol/test_session_subscriptions.py::test_many_topics_that_are_restored_hold_up_no_order_of_another_account",
        ),
    ),
    Patch(
        "a computer that slept through a maintenance waits for its end once more",
        "ctrader/protocol/link.py",
        "            self._next_at -= duration\n",
        "",
        (
            "tests/protocol/test_session_clocks.py::test_sleep_counts_as_waiting_for_the_next_attempt[28800.0]",
        ),
    ),
    Patch(
        "an account that was dropped is not authenticated again",
        "ctrader/protocol/authentication.py",
        "        elif was_authenticated:\n            self._begin_again(account)\n",
        "",
        (
            "tests/protocol/test_session_auth.py::test_dropped_account_is_authenticated_again",
            "tests/protocol/test_session_auth.py::test_reads_of_a_dropped_account_are_sent_again",
        ),
    ),
    Patch(
        "the client is ready before its subscriptions stand",
        "ctrader/protocol/authentication.py",
        "        if not self._subscriber.is_restored(account_id):\n            return\n",
        "",
        (
            "tests/protocol/test_session_auth.py::test_application_then_accounts_then_topics_then_reads",
            "tests/protocol/test_session_auth.py::test_events_of_a_restoration_come_in_their_order",
        ),
    ),
    Patch(
        "an account that was removed is restored",
        "ctrader/protocol/authentication.py",
        "        if self._authorization.accounts.pop(account_id, None) is None:\n",
        "        if self._authorization.accounts.get(account_id) is None:\n",
        (
            "tests/protocol/test_session_auth.py::test_removed_account_is_not_restored",
            "tests/protocol/test_session_auth.py::test_removing_an_account_during_a_restoration_completes_it",
        ),
    ),
    Patch(
        "new tokens are used before they are saved",
        "ctrader/operations/rotation.py",
        "            left, failure = yield from _tried(left)\n",
        "            if not is_used:\n                grants.adopt(grant, pair)\n"
        "            left, failure = yield from _tried(left)\n",
        (
            "tests/protocol/test_session_tokens.py::test_pair_is_exchanged_at_about_four_fifths_of_its_life",
            "tests/protocol/test_session_tokens.py::test_intent_is_kept_before_the_token_is_sent_and_the_pair_before_it_is_used",
        ),
    ),
    Patch(
        "tokens are refreshed once for each account",
        "ctrader/protocol/grants.py",
        "            self._by_token[fingerprint(credentials.refresh_token)] = grant\n"
        "        return grant\n",
        "        return grant\n",
        (
            "tests/protocol/test_session_tokens.py::test_pair_is_exchanged_at_about_four_fifths_of_its_life",
            "tests/protocol/test_session_tokens.py::test_pair_that_nobody_keeps_is_exchanged_in_its_last_minutes_with_a_warning",
        ),
    ),
    Patch(
        "what another process exchanged is not looked at under the lock",
        "ctrader/operations/rotation.py",
        "    if kept is not None and kept.supersedes(grant.pair.refresh_token):\n"
        "        _adopted(grant, grants, kept)\n        return\n"
        "    # The store is tried",
        "    # The store is tried",
        (
            "tests/protocol/test_session_tokens.py::test_pair_that_another_process_exchanged_is_adopted_not_sent",
            "tests/protocol/test_session_tokens.py::test_superseded_tokens_that_are_handed_in_are_replaced",
        ),
    ),
    Patch(
        "tokens are refreshed whenever the clock is looked at",
        "ctrader/protocol/grants.py",
        "        if self._wait(grant) > 0:\n            self._schedule(grant)\n        else:\n"
        "            self._rotate(grant)\n",
        "        self._rotate(grant)\n",
        (
            "tests/protocol/test_session_tokens.py::test_pair_is_exchanged_at_about_four_fifths_of_its_life",
            "tests/protocol/test_session_tokens.py::test_pair_that_nobody_keeps_is_exchanged_in_its_last_minutes_with_a_warning",
        ),
    ),
    Patch(
        "quotes of a lost link are worth something to a local state",
        "ctrader/live/account.py",
        "        self._desk.quotes.clear()\n",
        "",
        (
            "tests/live/test_following.py::test_loss_makes_it_stale_at_once_and_fills_meanwhile_are_told_as_such",
        ),
    ),
    Patch(
        "a request without an answer in time is sent again",
        "ctrader/protocol/session.py",
        "                self._pending.timed_out(key)\n",
        "                call = self._pending.get(key).call\n"
        "                if call is not None and call.is_sent:\n"
        "                    call.deadline += 30 * SECOND\n"
        "                    timers = self._context.timers\n"
        "                    timers.set(Timer.CALL, call.deadline, key)\n"
        "                    self._requests.send_again(call)\n"
        "                else:\n"
        "                    self._pending.timed_out(key)\n",
        (
            "tests/protocol/test_session_trading.py::test_order_without_an_answer_in_time_is_not_sent_again",
        ),
    ),
    Patch(
        "the heartbeat goes by the time of day",
        "ctrader/protocol/session.py",
        "        slept = self._context.clocks.compare(now, unix_now, suspended)\n",
        "        before, due = self._context.wall(), self._context.timers.get(Timer.HEARTBEAT)\n"
        "        slept = self._context.clocks.compare(now, unix_now, suspended)\n"
        "        if due is not None:\n"
        "            ahead = (self._context.wall() - before).total_seconds()\n"
        "            self._context.timers.set(Timer.HEARTBEAT, due - round(ahead * SECOND))\n",
        (
            "tests/protocol/test_session_clocks.py::test_time_of_day_that_is_set_moves_no_timer[-86400.0]",
            "tests/protocol/test_session_clocks.py::test_time_of_day_that_is_set_moves_no_timer[3.0]",
        ),
    ),
    Patch(
        "handlers are awaited by whoever reads from the socket",
        "ctrader/driver.py",
        "            self._wake()\n            self._pump()\n\n    async def _write",
        "            self._wake()\n            self._pump()\n"
        "            for consumer in self._consumers:\n"
        "                for event in consumer.route.mailbox.take():\n"
        "                    await self._dispatcher._call(consumer, event)\n\n"
        "    async def _write",
        (
            "tests/clients/test_async_driver.py::test_handler_that_waits_does_not_keep_the_next_read_from_others[asyncio]",
            "tests/clients/test_async_driver.py::test_handler_that_waits_does_not_keep_the_next_read_from_others[trio]",
        ),
    ),
    Patch(
        "an account is not read again after its session ended on a link that stands",
        "ctrader/protocol/following.py",
        "            and not (followed.is_due or live.state.is_stale)\n",
        "            and not (\n                (followed.is_due or live.state.is_stale)\n"
        "                and (followed.read_at or 0)\n"
        "                < (self._context.timers.get(Timer.HEALTHY) or 0) - 30 * SECOND\n"
        "            )\n",
        (
            "tests/live/test_following.py::test_account_that_is_dropped_is_stale_and_read_again_on_the_same_link",
        ),
    ),
    Patch(
        "fills are looked for after a lost link, and not after an account's session",
        "ctrader/protocol/executions.py",
        "        for known in [account_id] if account_id is not None",
        "        for known in [] if account_id is not None",
        ("tests/simulator/test_missed_deals.py::test_account_that_was_dropped_catches_up_too",),
    ),
    Patch(
        "a fill that was found after an outage is told again",
        "ctrader/protocol/executions.py",
        "        self._told.setdefault(key, set()).update(each.value for each in _KINDS.values())\n"
        "        self._bound()\n"
        "        self._context.emit(\n",
        "        self._context.emit(\n",
        (
            "tests/simulator/test_missed_deals.py::test_fill_that_was_recovered_is_not_told_again_after_the_next_loss",
        ),
    ),
    Patch(
        "an order goes out before the journal has kept it",
        "ctrader/protocol/requests.py",
        "            self._uncommitted[call.call_id] = call\n"
        "            self.journaling.begin(call, self.terms.closed_by(call.request), "
        "self._committed)\n",
        "            self.journaling.begin(call, self.terms.closed_by(call.request), "
        "lambda *_: None)\n"
        "            self._enqueue(call)\n",
        (
            "tests/simulator/test_journal.py::test_a_slow_disk_and_a_lost_link_in_between_leave_an_order_unsent",
        ),
    ),
    Patch(
        "what an earlier process left unsettled is not looked for",
        "ctrader/protocol/journaling.py",
        "        self.recover(unsettled)\n",
        "        self.recover(())\n",
        (
            "tests/simulator/test_journal.py::test_an_order_of_a_killed_process_is_found_by_the_next_one",
            "tests/simulator/test_journal.py::test_a_cancel_of_a_killed_process_is_settled",
        ),
    ),
    Patch(
        "the journal does not wait for the disk",
        "ctrader/journal/sqlite.py",
        '        "synchronous = FULL",\n',
        '        "synchronous = OFF",\n',
        ("tests/journal/test_sqlite.py::test_commit_returns_when_it_is_on_the_disk",),
    ),
    Patch(
        "an order id is free again once its order is settled",
        "ctrader/journal/sqlite.py",
        "            if before is None and settlement is Settlement.NOT_SENT "
        "and client_order_id is not None:\n",
        "            if before is None and client_order_id is not None:\n",
        (
            "tests/journal/test_sqlite.py::test_client_order_id_is_used_once_in_the_life_of_the_file",
        ),
    ),
    Patch(
        "what is told late replaces what is newer",
        "ctrader/live/succession.py",
        "    return update < last or (or_same and update == last)\n",
        "    return False\n",
        (
            "tests/live/test_account.py::test_older_telling_of_a_position_is_passed_over",
            "tests/live/test_account.py::test_older_telling_of_an_order_is_passed_over",
        ),
    ),
    Patch(
        "a position that was closed comes back",
        "ctrader/live/succession.py",
        "        return ended is not None and updated is not None and updated < ended\n",
        "        return False\n",
        (
            "tests/live/test_account.py::test_closed_position_does_not_come_back_with_an_event_that_is_late",
        ),
    ),
    Patch(
        "what is known of an account looks fresh while its link is down",
        "ctrader/live/account.py",
        "            case DisconnectedEvent():\n                return self.went_stale(at)\n",
        "            case DisconnectedEvent():\n                return ()\n",
        (
            "tests/live/test_following.py::test_loss_makes_it_stale_at_once_and_fills_meanwhile_are_told_as_such",
        ),
    ),
    Patch(
        "a link on which the application is never answered counts as healthy",
        "ctrader/protocol/link.py",
        "        if not self._authorization.is_application_authenticated:\n"
        "            # It stands,",
        "        if False:\n            # It stands,",
        (
            "tests/protocol/test_session_link.py::test_link_on_which_the_application_is_never_answered_counts_as_a_failure",
        ),
    ),
    Patch(
        "what a local state was refused once is never asked for again",
        "ctrader/protocol/following.py",
        "            followed.live.supply.try_again()\n",
        "",
        ("tests/live/test_following.py::test_what_is_refused_for_good_is_asked_for_less_and_less",),
    ),
    Patch(
        "a book of depth goes on over a loss",
        "ctrader/protocol/decoding.py",
        "            self._books.clear()\n",
        "",
        ("tests/protocol/test_session_subscriptions.py::test_book_begins_anew_on_the_next_link",),
    ),
    Patch(
        "the end of a maintenance is not waited for",
        "ctrader/protocol/context.py",
        "                wait = max(wait, to_nanos(min(max(0.0, rest), LONGEST_HINT)))\n",
        "                del rest\n",
        ("tests/protocol/test_session_auth.py::test_maintenance_is_waited_for",),
    ),
    Patch(
        "milliseconds are taken for seconds",
        "ctrader/errors.py",
        "        return _EPOCH + timedelta(milliseconds=value)\n",
        "        return _EPOCH + timedelta(seconds=value)\n",
        (
            "tests/test_errors.py::test_maintenance_end_unit_is_told_by_its_size[1795845600000-expected1]",
        ),
    ),
    Patch(
        "a certificate of any name is good",
        "ctrader/transport.py",
        "    context.minimum_version = ssl.TLSVersion.TLSv1_2\n",
        "    context.minimum_version = ssl.TLSVersion.TLSv1_2\n"
        "    context.check_hostname = False\n",
        ("tests/test_transport.py::test_tls_verifies_certificate_and_name_with_a_current_version",),
    ),
    Patch(
        "an answer that events overtook counts more than they do",
        "ctrader/protocol/terms.py",
        "        if 0 < updated_ms < told_ms:\n            return\n"
        "        if not is_open(position):\n",
        "        if not is_open(position):\n",
        (
            "tests/protocol/test_terms.py::test_what_was_updated_later_counts_though_it_came_earlier[reconciled]",
            "tests/protocol/test_terms.py::test_position_that_ended_comes_back_with_a_later_update_only",
        ),
    ),
    Patch(
        "a close is absent because its position grew meanwhile",
        "ctrader/operations/resolution.py",
        "            and not any(_may_have_enlarged(order, request) for order in past)\n",
        "",
        (
            "tests/simulator/test_resolution.py::test_close_of_a_position_that_grew_meanwhile_is_told_right[True]",
        ),
    ),
    Patch(
        "of closes alike the oldest takes the newest order",
        "ctrader/protocol/outcomes.py",
        "            and each.sent > open_request.sent\n",
        "            and each.sent < open_request.sent\n",
        (
            "tests/simulator/test_resolution.py::test_two_closes_alike_are_each_told_right[True-True]",
            "tests/simulator/test_resolution.py::test_two_closes_alike_are_each_told_right[False-True]",
        ),
    ),
    Patch(
        "the order of a close is given to another that waits no longer",
        "ctrader/protocol/outcomes.py",
        "        return waits or any(\n",
        "        return any(\n",
        (
            "tests/simulator/test_resolution.py::test_close_is_not_taken_for_one_alike_that_still_waits_for_its_answer",
        ),
    ),
    Patch(
        "a close that came into doubt during a look is left out of it",
        "ctrader/protocol/outcomes.py",
        "            and each.key not in looked_for\n",
        "            and False\n",
        (
            "tests/simulator/test_resolution.py::test_close_is_not_taken_for_one_alike_that_came_into_doubt_during_the_look",
            "tests/simulator/test_resolution.py::test_close_is_not_taken_for_one_alike_that_was_sent_while_the_list_travelled",
        ),
    ),
    Patch(
        "what a slow clock takes for the future is not looked into",
        "ctrader/protocol/outcomes.py",
        "        return int(self._context.latest_wall().timestamp() * 1000) + CLOCK_DOUBT\n",
        "        return int(self._context.latest_wall().timestamp() * 1000)\n",
        (
            "tests/simulator/test_resolution.py::test_clock_that_is_wrong_hides_no_order_though_the_server_told_no_time[-2]",
            "tests/simulator/test_resolution.py::test_slow_clock_hides_no_order_though_the_only_time_told_is_old",
        ),
    ),
    Patch(
        "one time that is still to come hides orders",
        "ctrader/protocol/outcomes.py",
        "        return max(min(server_ms, wall_ms), server_ms - CLOCK_DOUBT)\n",
        "        return server_ms\n",
        (
            "tests/simulator/test_resolution.py::test_one_time_that_is_still_to_come_hides_no_order[True]",
            "tests/simulator/test_resolution.py::test_one_time_that_is_still_to_come_hides_no_order[False]",
        ),
    ),
    Patch(
        "a clock that runs fast puts the server's ahead",
        "ctrader/protocol/context.py",
        "        return unix_ms + since - since // DRIFT\n",
        "        return unix_ms + since\n",
        (
            "tests/protocol/test_context.py::test_clock_that_runs_fast_puts_the_server_s_not_ahead_of_it[24-0.0001]",
            "tests/protocol/test_context.py::test_time_that_comes_after_a_long_silence_is_not_taken_for_an_old_one[0.0001]",
        ),
    ),
    Patch(
        "one list alone proves that nothing was closed",
        "ctrader/operations/resolution.py",
        "        if found is None and is_last:\n",
        "        if False:\n",
        (
            "tests/simulator/test_resolution.py::test_close_that_only_the_list_of_its_position_shows_is_not_absent",
        ),
    ),
    Patch(
        "a close is taken for the one right before it",
        "ctrader/protocol/outcomes.py",
        "        if 0 < opened_ms < (open_request.call.position_updated_ms or 0):\n"
        "            return False\n",
        "",
        (
            "tests/simulator/test_journal.py::test_a_close_is_not_taken_for_the_one_right_before_it_though_less_is_open",
        ),
    ),
    Patch(
        "a new pair of tokens under another id is dropped",
        "ctrader/protocol/session.py",
        "            call = self._exchange_of(message, envelope.client_msg_id)\n",
        "            pass\n",
        (
            "tests/protocol/test_session_tokens.py::test_new_pair_under_another_id_is_not_lost[None]",
            "tests/protocol/test_session_tokens.py::test_new_pair_under_another_id_is_not_lost[another]",
        ),
    ),
    Patch(
        "a new pair that nobody waits for any more is dropped",
        "ctrader/protocol/session.py",
        "        self._grants.take_late(spent, pair)\n",
        "",
        (
            "tests/protocol/test_session_tokens.py::test_new_pair_that_comes_while_the_old_one_is_looked_at_is_not_lost",
            "tests/protocol/test_session_tokens.py::test_new_pair_behind_an_answer_that_made_no_sense_is_not_lost[store]",
        ),
    ),
    Patch(
        "a refresh token that came back is known as spent",
        "ctrader/tokens/record.py",
        "superseded=tuple(each for each in known if each != newest)",
        "superseded=tuple(known)",
        (
            "tests/protocol/test_session_tokens.py::test_refresh_token_that_comes_back_unchanged_buys_the_pair_after_that",
        ),
    ),
    Patch(
        "a lock is let go of by closing its file alone",
        "ctrader/file_lock.py",
        "            if os.getpid() == owner:\n                _unlock(descriptor)\n",
        "            pass\n",
        (
            "tests/tokens/test_files.py::test_lock_of_a_process_that_forks_ends_with_the_parent_and_not_with_a_child[parent-free]",
        ),
    ),
    Patch(
        "accounts that come after an exchange are not told the new pair",
        "ctrader/protocol/grants.py",
        "            self._background.spawn(self._work.tell(grant, self), is_vital=True)\n",
        "            pass\n",
        (
            "tests/protocol/test_session_tokens.py::test_account_that_is_handed_in_with_a_spent_pair_is_told_the_newest_once",
        ),
    ),
)
