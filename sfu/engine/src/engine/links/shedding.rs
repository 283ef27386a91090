//! Which layers a link carries while not all that is wanted fits: layers go first, then pictures, sound never.
//!
//! Each leg of a picture is a list of steps, from nothing over its smallest encoding to all that is wanted of it. What is
//! too much goes from the dearest step down, a leg's last step only when no other leg has more than one. What there is room for
//! comes back one step at a time, to whoever has least.

/// What a leg has it keeps while all exceeds the budget by no more than one in so many: rates waver.
const TOLERANCE: u64 = 10;

/// What one leg may carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps {
    /// Bit/s of everything up to each step, rising; nothing at all is no step.
    pub rates_bps: Vec<u64>,
    /// How many of them it has.
    pub has: usize,
}

impl Steps {
    fn rate(&self) -> u64 {
        self.has
            .checked_sub(1)
            .and_then(|at| self.rates_bps.get(at))
            .copied()
            .unwrap_or(0)
    }

    fn top_costs(&self) -> u64 {
        let below = self.has.checked_sub(2).map_or(0, |at| self.rates_bps[at]);
        self.rate().saturating_sub(below)
    }

    fn next_costs(&self) -> Option<u64> {
        let next = self.rates_bps.get(self.has)?;
        Some(next.saturating_sub(self.rate()))
    }
}

/// Change how many steps the legs have, so that they fit `budget_bps` (`None`: everything fits). One step more is given,
/// if `may_rise`.
pub fn fit(legs: &mut [Steps], budget_bps: Option<u64>, may_rise: bool) {
    for leg in legs.iter_mut() {
        leg.has = leg.has.min(leg.rates_bps.len());
    }
    let Some(budget) = budget_bps else {
        for leg in legs {
            leg.has = leg.rates_bps.len();
        }
        return;
    };
    let mut sum: u64 = legs.iter().map(Steps::rate).sum();
    let mut fell = false;
    while sum > budget + budget / TOLERANCE {
        let dearest = legs
            .iter_mut()
            .filter(|leg| leg.has > 0)
            .max_by_key(|leg| (leg.has > 1, leg.top_costs()));
        let Some(leg) = dearest else {
            break;
        };
        sum -= leg.top_costs();
        leg.has -= 1;
        fell = true;
    }
    if fell || !may_rise {
        return;
    }
    let least = legs
        .iter_mut()
        .filter(|leg| leg.next_costs().is_some_and(|costs| sum + costs <= budget))
        .min_by_key(|leg| (leg.has, leg.next_costs()));
    if let Some(leg) = least {
        leg.has += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    fn simulcast(has: usize) -> Steps {
        Steps {
            rates_bps: vec![150_000, 650_000, 2_400_000],
            has,
        }
    }

    fn has(legs: &[Steps]) -> Vec<usize> {
        legs.iter().map(|leg| leg.has).collect()
    }

    #[test]
    fn layers_go_before_pictures_and_come_back_one_at_a_time() {
        let mut legs = [simulcast(3), simulcast(3), simulcast(3)];
        fit(&mut legs, Some(1_500_000), true);
        assert_eq!(has(&legs), [2, 2, 1]);
        fit(&mut legs, Some(300_000), true);
        assert_eq!(has(&legs).iter().sum::<usize>(), 2);
        fit(&mut legs, Some(500_000), true);
        assert_eq!(has(&legs), [1, 1, 1]);
        fit(&mut legs, Some(4_000_000), false);
        assert_eq!(has(&legs), [1, 1, 1]);
        fit(&mut legs, Some(4_000_000), true);
        assert_eq!(has(&legs).iter().sum::<usize>(), 4);
        fit(&mut legs, None, false);
        assert_eq!(has(&legs), [3, 3, 3]);
    }

    #[test]
    fn what_it_has_a_leg_keeps_while_rates_waver() {
        let mut legs = [simulcast(2)];
        fit(&mut legs, Some(600_000), true);
        assert_eq!(has(&legs), [2]);
        legs[0].has = 1;
        fit(&mut legs, Some(600_000), true);
        assert_eq!(has(&legs), [1], "but does not get it back");
    }

    type Fit = fn(&mut [Steps], Option<u64>, bool);

    fn fits(fit: Fit) -> bool {
        let leg = (prop::collection::vec(1u64..3_000_000, 0..4), 0usize..5);
        let given = (prop::collection::vec(leg, 0..12), 0u64..20_000_000);
        let outcome = TestRunner::deterministic().run(&given, |(legs, budget)| {
            let mut legs: Vec<Steps> = legs
                .into_iter()
                .map(|(mut rates_bps, has)| {
                    rates_bps.sort_unstable();
                    Steps { rates_bps, has }
                })
                .collect();
            fit(&mut legs, Some(budget), true);
            let sum: u64 = legs.iter().map(Steps::rate).sum();
            prop_assert!(sum <= budget + budget / TOLERANCE);
            for _ in 0..100 {
                fit(&mut legs, Some(budget), true);
            }
            let room = legs.iter().filter_map(Steps::next_costs).min();
            let sum: u64 = legs.iter().map(Steps::rate).sum();
            prop_assert!(room.is_none_or(|costs| sum + costs > budget));
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn all_fits_and_no_room_is_left_and_a_careless_sum_is_found_out() {
        assert!(fits(fit));
        // Takes one step off and thinks that it is done.
        assert!(!fits(|legs, budget, may_rise| {
            let before = has(legs);
            fit(legs, budget, may_rise);
            let fell = before
                .iter()
                .zip(legs)
                .find(|(had, leg)| leg.has + 1 < **had);
            if let Some((had, leg)) = fell {
                leg.has = had - 1;
            }
        }));
    }
}
