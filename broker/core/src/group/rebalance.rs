//! The steps of a rebalance: prepare, complete the join phase, hand out the assignment, count a session anew.

use milena_protocol::ErrorCode;

use super::classic::{ClassicGroup, InitialDelay, State};
use super::deadlines::Timer;
use super::member::Member;
use super::request::{JoinGroup, JoinRefused, Reply};
use super::settings::{EMPTY_GENERATION_RETRY_MS, NEW_MEMBER_JOIN_TIMEOUT_MS};
use super::{Ticket, Turn};

impl ClassicGroup {
    /// Adds a member and lets the group take it in.
    pub(super) fn admit(
        &mut self,
        turn: &mut Turn<'_>,
        member: Member,
        protocol_type: bytestring::ByteString,
    ) {
        let id = member.id.clone();
        if let Some(initial) = &mut self.initial {
            initial.member_added = true;
        }
        self.add(member, protocol_type);
        turn.deadlines.set(Timer::Session(self.id.clone(), id), turn.after_ms(NEW_MEMBER_JOIN_TIMEOUT_MS));
        self.rebalance_or_complete(turn);
    }

    /// Takes what a member tells anew, parks its request and lets the group rebalance.
    pub(super) fn rejoin(&mut self, turn: &mut Turn<'_>, ticket: Ticket, request: JoinGroup) {
        if let Some(member) = self.members.get_mut(&request.member) {
            member.learn(request.protocols);
            member.rebalance_timeout_ms = request.rebalance_timeout_ms;
            member.session_timeout_ms = request.session_timeout_ms;
            if let Some(superseded) = member.awaiting_join.replace(ticket) {
                refuse_join(turn, superseded, ErrorCode::RebalanceInProgress, member.id.clone());
            }
        }
        self.rebalance_or_complete(turn);
    }

    /// Begins a rebalance, or ends the one that goes on if nobody is missing.
    pub(super) fn rebalance_or_complete(&mut self, turn: &mut Turn<'_>) {
        if self.is(State::PreparingRebalance) {
            self.complete_if_all_joined(turn);
        } else {
            self.prepare_rebalance(turn);
        }
    }

    /// Begins a rebalance: members that wait for their assignment are told to join again.
    pub(super) fn prepare_rebalance(&mut self, turn: &mut Turn<'_>) {
        if self.is(State::CompletingRebalance) {
            self.refuse_syncs(turn);
        }
        self.pending_sync.clear();
        turn.deadlines.cancel(&Timer::Sync(self.id.clone()));
        let was_empty = self.is(State::Empty);
        self.enter(State::PreparingRebalance, turn.now);
        if was_empty {
            self.delay_initial(turn);
        } else if self.all_joined() {
            self.complete_join(turn);
        } else {
            self.wait_for_joins(turn);
        }
    }

    /// The group is new: give its members time to arrive together.
    fn delay_initial(&mut self, turn: &mut Turn<'_>) {
        let delay_ms = turn.settings.group_initial_rebalance_delay_ms;
        let remaining_ms = self.rebalance_timeout_ms().saturating_sub(delay_ms).max(0);
        self.initial = Some(InitialDelay { delay_ms, remaining_ms, member_added: false });
        turn.deadlines.set(Timer::Join(self.id.clone()), turn.after_ms(delay_ms));
    }

    fn wait_for_joins(&self, turn: &mut Turn<'_>) {
        turn.deadlines.set(Timer::Join(self.id.clone()), turn.after_ms(self.rebalance_timeout_ms()));
    }

    /// The initial delay is over: extend it if members arrived meanwhile, else go on with those there are.
    pub(super) fn end_initial_delay(&mut self, turn: &mut Turn<'_>, initial: InitialDelay) {
        if !initial.member_added || initial.remaining_ms == 0 {
            return self.complete_join(turn);
        }
        let delay_ms = turn.settings.group_initial_rebalance_delay_ms.min(initial.remaining_ms);
        let remaining_ms = (initial.remaining_ms - initial.delay_ms).max(0);
        self.initial = Some(InitialDelay { delay_ms, remaining_ms, member_added: false });
        turn.deadlines.set(Timer::Join(self.id.clone()), turn.after_ms(delay_ms));
    }

    /// Ends the join phase unless somebody is missing or the group's initial delay runs.
    pub(super) fn complete_if_all_joined(&mut self, turn: &mut Turn<'_>) {
        if self.is(State::PreparingRebalance) && self.initial.is_none() && self.all_joined() {
            self.complete_join(turn);
        }
    }

    /// Ends the join phase with those that joined. Static members stay for as long as their session lasts.
    pub(super) fn complete_join(&mut self, turn: &mut Turn<'_>) {
        turn.deadlines.cancel(&Timer::Join(self.id.clone()));
        let missing = |member: &&Member| member.awaiting_join.is_none() && !member.is_static();
        let missing: Vec<_> = self.members.values().filter(missing).map(|member| member.id.clone()).collect();
        for id in missing {
            self.remove(&id);
            turn.deadlines.cancel(&Timer::Session(self.id.clone(), id));
        }
        if self.members.is_empty() {
            self.write_empty_generation(turn);
        } else if self.elect_joined_leader() {
            self.begin_generation(turn);
        } else {
            self.wait_for_joins(turn);
        }
    }

    /// The group becomes empty when the record is replayed; until then the timer keeps the intention alive.
    fn write_empty_generation(&mut self, turn: &mut Turn<'_>) {
        turn.out.records.push(self.empty_record(self.generation.saturating_add(1), turn.now));
        turn.deadlines.set(Timer::Join(self.id.clone()), turn.now.plus_ms(EMPTY_GENERATION_RETRY_MS));
    }

    fn begin_generation(&mut self, turn: &mut Turn<'_>) {
        self.generation = self.generation.saturating_add(1);
        self.protocol = Self::vote(self.members.values());
        self.learn_subscriptions();
        self.initial = None;
        self.enter(State::CompletingRebalance, turn.now);
        self.pending_sync = self.members.keys().cloned().collect();
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.is_new = false;
            if let Some(ticket) = member.awaiting_join.take() {
                turn.reply(ticket, Reply::Join(Ok(joined)));
            }
            self.renew_session(turn, &id);
        }
        turn.deadlines.set(Timer::Sync(self.id.clone()), turn.after_ms(self.rebalance_timeout_ms()));
    }

    fn refuse_syncs(&mut self, turn: &mut Turn<'_>) {
        let mut answered = Vec::new();
        for member in self.members.values_mut() {
            member.assignment.clear();
            if let Some(ticket) = member.awaiting_sync.take() {
                turn.reply(ticket, Reply::Sync(Err(ErrorCode::RebalanceInProgress)));
                answered.push(member.id.clone());
            }
        }
        for id in answered {
            self.renew_session(turn, &id);
        }
    }

    /// The member was heard of.
    pub(super) fn renew_session(&self, turn: &mut Turn<'_>, id: &str) {
        if let Some(member) = self.members.get(id) {
            let timer = Timer::Session(self.id.clone(), member.id.clone());
            turn.deadlines.set(timer, turn.after_ms(member.session_timeout_ms));
        }
    }

    /// Removes a member for good; a parked JoinGroup learns that it must start over.
    pub(super) fn expel(&mut self, turn: &mut Turn<'_>, id: &str) {
        let Some(member) = self.remove(id) else { return };
        if let Some(ticket) = member.awaiting_join {
            refuse_join(turn, ticket, ErrorCode::UnknownMemberId, bytestring::ByteString::new());
        }
        if let Some(ticket) = member.awaiting_sync {
            turn.reply(ticket, Reply::Sync(Err(ErrorCode::UnknownMemberId)));
        }
        turn.deadlines.cancel(&Timer::Session(self.id.clone(), member.id));
    }
}

/// Answers a JoinGroup with an error.
pub(super) fn refuse_join(
    turn: &mut Turn<'_>,
    ticket: Ticket,
    error: ErrorCode,
    member: bytestring::ByteString,
) {
    turn.reply(ticket, Reply::Join(Err(JoinRefused { error, member })));
}
