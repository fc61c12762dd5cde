//! What holds in every execution model, for `inline`.

#![allow(clippy::unwrap_used)]

mod common;

use common::script::Script;
use common::{on_a_worker, spec, tell};
use std::time::{Duration, Instant};
use understudy_module::{Hook, Verdict};
use understudy_runtimes::{Kind, Notice};

cases! { Kind::Inline;
    cases:
        every_verdict_that_fits_comes_back_as_given,
        a_verdict_that_does_not_fit_and_a_fail_are_failures_of_the_module,
        edits_made_before_are_seen_and_those_of_the_hook_come_behind,
        a_hook_that_fails_leaves_no_edits_also_behind_pending,
        a_hook_sees_the_whole_record_of_every_event,
        the_opaque_value_goes_from_hook_to_hook_and_is_freed_once,
        fini_is_called_once_behind_the_last_transaction,
        refused_options_leave_the_old_ones_in_force,
        an_operation_submitted_in_init_completes_too,
        init_may_not_wait_for_an_operation,
        what_was_counted_tells_calls_bytes_and_time,
        what_a_module_counts_itself_is_told_by_name;
    accounting:
        each_hook_of_a_transaction_has_its_cost_where_it_is_asked_for,
        bytes_injected_into_an_answer_are_bytes_that_were_given,
        free_and_fini_have_their_time_and_their_failures,
        free_is_timed_as_often_as_other_hooks_are,
        transactions_that_take_turns_are_all_timed_now_and_then;
    failures:
        a_panic_in_each_hook_of_a_transaction_fails_that_one_alone,
        a_panic_in_each_other_hook_makes_a_new_instance_and_harms_nobody,
        a_panic_in_free_makes_a_new_instance,
        a_refusal_or_panic_in_init_refuses_to_load,
        a_panic_in_fini_harms_nobody,
        an_instance_that_cannot_be_made_again_is_tried_for_again,
        a_resume_that_overtakes_its_pending_counts,
        second_late_and_unknown_resumes_are_dropped_and_counted,
        pieces_injected_beyond_what_a_slow_client_leaves_room_for_are_dropped_and_counted,
        a_pending_that_is_never_resumed_ends_at_the_deadline_and_is_freed,
        pending_without_a_token_is_a_failure,
        a_transaction_that_goes_away_while_parked_is_freed_once,
        the_breaker_opens_after_failures_in_a_row_and_closes_again;
    watching:
        four_hundred_transactions_wait_for_a_service_together,
        a_descriptor_is_ready_again_and_again_until_it_is_read_dry,
        both_directions_of_one_descriptor_are_told_with_their_tags,
        a_number_that_is_another_file_s_meanwhile_does_not_take_over_the_watch,
        what_cannot_be_watched_is_counted_and_does_not_spin,
        the_timer_rings_again_and_again;
}

#[test]
fn a_notice_that_takes_longer_than_the_deadline_is_counted() {
    on_a_worker(|worker| async move {
        let deadline = Duration::from_millis(1);
        let script = Script::new(|_, _| Verdict::Continue).other(move |hook, _, _| {
            let began = Instant::now();
            // Nobody can interrupt it.
            while hook == Hook::Timer && began.elapsed() <= deadline {}
            Ok(())
        });
        let mut spec = spec(Kind::Inline);
        spec.limits.deadline = deadline;
        let link = worker.link(spec, &script).await;
        tell(&link, Notice::Timer).await.unwrap();
        assert_eq!(link.loaded().sum().overdue, 1);
    });
}
