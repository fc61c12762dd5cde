//! The modules in force, as one worker calls them: in order, with the union of their hooks.
//!
//! Owned by the settings in force, so a transaction keeps the chain it began with. A module that a reload leaves as it is keeps its
//! link, and with it its breaker and accounts. Invariant: when no module wants a hook, finding that out is one comparison.

use super::filter::Standing;
use super::handle::Spare;
use super::party::Audience;
use super::whence::Whence;
use super::{Matcher, Modules, ServerTiming};
use crate::afterwards::Afterwards;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use understudy_module::{Hook, Hooks};
use understudy_runtimes::{Kind, Link, Seat};

/// Hooks that a plain hit meets.
const ON_HITS: Hooks = Hooks::of(&[
    Hook::RequestHead,
    Hook::ResponseReturn,
    Hook::ReturnBody,
    Hook::Log,
    Hook::Free,
]);

/// What a deadline may be late by on a busy machine.
const LATE: Duration = Duration::from_secs(5);

/// A module's place in the order of a hook.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) link: Rc<Link>,
    pub(super) index: u16,
    /// Whether it is asked hangs on what the hook is about.
    pub(super) chooses: bool,
    /// The hook is about a new head of an answer, and what was said of the one before is void.
    pub(super) renews: bool,
}

/// The chain.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(super) links: Box<[Rc<Link>]>,
    pub(super) matchers: Box<[Matcher]>,
    pub(super) seat: Rc<Seat>,
    pub(super) whence: Whence,
    /// What is left to be done for transactions that are over.
    pub(super) afterwards: Rc<Afterwards>,
    hooks: Hooks,
    /// For each hook those who want it, in the order in which they are asked.
    orders: [Box<[u16]>; Hook::COUNT],
    /// What is known of them, where the hook is on bodies.
    standing: [Standing; Hook::COUNT],
    /// The same, with all that asking one needs at hand.
    places: [Box<[Place]>; Hook::COUNT],
    /// Who hears the body of an answer on its way to the client, as long as nobody says anything.
    pub(super) audience: Audience,
    /// What transactions before left.
    pub(super) spare: Spare,
    /// The longest of their deadlines, and what it may be late by.
    pub(super) longest: Duration,
    /// Some see some hosts only.
    pub(super) chooses: bool,
    pub(crate) timing: ServerTiming,
    /// A plain hit meets hooks.
    pub(crate) on_hits: bool,
    /// All of those can be called on the spot.
    pub(crate) on_the_spot: bool,
}

impl Chain {
    /// The chain of these modules. `precise`: somebody wants to know what each transaction cost.
    pub(crate) fn new(
        modules: &Modules,
        seat: &Rc<Seat>,
        afterwards: &Rc<Afterwards>,
        old: Option<&Chain>,
        precise: bool,
    ) -> Chain {
        let known = |module| {
            let old = old?.links.iter();
            old.clone()
                .find(|l| Arc::ptr_eq(l.loaded(), module))
                .cloned()
        };
        let links: Box<[Rc<Link>]> = modules
            .members
            .iter()
            .map(|m| known(&m.module).unwrap_or_else(|| Rc::new(Link::new(m.module.clone(), seat))))
            .collect();
        let precise = precise || modules.server_timing != ServerTiming::Off;
        links.iter().for_each(|link| link.be_precise(precise));
        let of = |link: &Rc<Link>| link.loaded().hooks();
        let matchers: Box<[Matcher]> = modules.members.iter().map(|m| m.matcher.clone()).collect();
        let asked: Vec<Hooks> = links
            .iter()
            .zip(&matchers)
            .map(|(link, matcher)| with_heads(of(link), matcher))
            .collect();
        let hooks = asked.iter().fold(Hooks::NONE, |all, of| all.and(*of));
        let on_the_spot = links
            .iter()
            .filter(|link| of(link).any(ON_HITS))
            .all(|link| {
                let looks = !of(link).has(Hook::ReturnBody) || link.loaded().about().only_looks;
                // One that changes bodies may say of a head that this is none of its.
                let may = looks || of(link).has(Hook::ResponseReturn);
                link.loaded().spec().kind == Kind::Inline && may
            });
        let orders = Hook::ALL.map(|hook| order(&asked, hook, modules.same_order));
        let mut of_hook = orders.iter();
        let places = Hook::ALL.map(|hook| {
            let order = of_hook.next().into_iter().flatten();
            order
                .filter_map(|index| {
                    let at = usize::from(*index);
                    Some(place(hook, *index, links.get(at)?, matchers.get(at)?))
                })
                .collect()
        });
        Chain {
            standing: std::array::from_fn(|at| Standing::of(&links, &orders[at])),
            places,
            audience: audience(&links),
            spare: Spare::default(),
            matchers,
            seat: seat.clone(),
            whence: Whence::default(),
            afterwards: afterwards.clone(),
            on_hits: hooks.any(ON_HITS),
            on_the_spot,
            hooks,
            orders,
            longest: longest(&links),
            chooses: modules.members.iter().any(|m| !m.matcher.is_open()),
            timing: modules.server_timing,
            links,
        }
    }

    /// Whether any module wants this hook, or wants to know the type that its head tells.
    #[inline]
    pub(crate) fn wants(&self, hook: Hook) -> bool {
        self.hooks.has(hook)
    }

    /// Nothing is kept for transactions any more: the settings are no longer in force, and the last transaction let them go.
    pub(crate) fn close(&self) {
        self.spare.close();
    }

    /// Whether there are no modules.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Those who want a hook, in the order in which they are asked.
    #[inline]
    pub(super) fn order(&self, hook: Hook) -> &[u16] {
        self.orders.get(hook as usize).map_or(&[], |order| order)
    }

    /// What is known of those who want a hook on bodies.
    #[inline]
    pub(super) fn standing(&self, hook: Hook) -> Standing {
        let standing = self.standing.get(hook as usize);
        standing.copied().unwrap_or_default()
    }

    /// The same, with all that asking one needs at hand.
    #[inline]
    pub(super) fn places(&self, hook: Hook) -> &[Place] {
        self.places.get(hook as usize).map_or(&[], |places| places)
    }

    /// Which module stands at this place of a hook's order.
    #[inline]
    pub(super) fn at(&self, hook: Hook, place: usize) -> usize {
        usize::from(self.order(hook)[place])
    }
}

/// The hooks at which a module is thought of: those it wants, and where it wants bodies of some types only, the heads that tell the
/// type.
fn with_heads(hooks: Hooks, matcher: &Matcher) -> Hooks {
    let mut all = hooks;
    if matcher.has_types() {
        for (body, head) in [
            (Hook::ResponseBody, Hook::ResponseHead),
            (Hook::ReturnBody, Hook::ResponseReturn),
        ] {
            if hooks.has(body) {
                all = all.and(Hooks::of(&[head]));
            }
        }
    }
    all
}

fn longest(links: &[Rc<Link>]) -> Duration {
    let deadlines = links
        .iter()
        .map(|link| link.loaded().spec().limits.deadline);
    deadlines.max().unwrap_or_default().saturating_add(LATE)
}

fn audience(links: &[Rc<Link>]) -> Audience {
    let mut found = Audience::Nobody;
    for link in links {
        if link.loaded().hooks().has(Hook::ReturnBody) {
            if !link.loaded().about().only_looks {
                return Audience::Changers;
            }
            found = Audience::Lookers;
        }
    }
    found
}

fn place(hook: Hook, index: u16, link: &Rc<Link>, matcher: &Matcher) -> Place {
    let renews = matches!(hook, Hook::ResponseHead | Hook::ResponseReturn);
    Place {
        link: link.clone(),
        index,
        chooses: hook == Hook::Resolve || renews && matcher.has_types(),
        renews,
    }
}

/// Answers meet modules last to first, unless they are to meet them as requests do.
fn order(asked: &[Hooks], hook: Hook, same: bool) -> Box<[u16]> {
    let backwards = matches!(
        hook,
        Hook::ResponseHead | Hook::ResponseBody | Hook::ResponseReturn | Hook::ReturnBody
    );
    let mut order: Vec<u16> = (0..asked.len())
        .filter(|at| asked[*at].has(hook))
        .filter_map(|at| u16::try_from(at).ok())
        .collect();
    if backwards && !same {
        order.reverse();
    }
    order.into()
}
