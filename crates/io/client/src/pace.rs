//! [`Pace`]: how soon a Receive follows one that brought nothing.
//!
//! A host may answer at once and with nothing, as often as it likes: without a pause that keeps both sides busy.

use std::time::Duration;

/// An answer that took so long was waited for: the host sets the pace itself.
const WAITED: Duration = Duration::from_millis(250);
/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(10);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(1);

/// Counts the quick answers without news that came in a row.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    in_vain: u32,
}

impl Pace {
    /// The pause after an answer that took so long and brought news or none. One quick answer without news costs
    /// nothing: honest hosts give such.
    pub(crate) fn after(&mut self, brought_news: bool, took: Duration) -> Duration {
        if brought_news || took >= WAITED {
            self.in_vain = 0;
            return Duration::ZERO;
        }
        let doublings = self.in_vain.checked_sub(1);
        self.in_vain = self.in_vain.saturating_add(1);
        doublings.map_or(Duration::ZERO, |times| {
            FIRST.saturating_mul(2_u32.saturating_pow(times)).min(LONGEST)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Duration = Duration::from_millis(1);

    #[test]
    fn pauses_grow_from_the_second_empty_answer_to_a_second() {
        let mut pace = Pace::default();
        let pauses: Vec<u128> = (0..11).map(|_| pace.after(false, AT_ONCE).as_millis()).collect();
        assert_eq!(pauses, [0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000]);
        // However long it goes on.
        pace.in_vain = u32::MAX;
        assert_eq!(pace.after(false, AT_ONCE), LONGEST);
    }

    #[test]
    fn news_and_hosts_that_wait_begin_anew() {
        let mut pace = Pace::default();
        for (brought_news, took) in [(true, AT_ONCE), (false, WAITED)] {
            for _ in 0..5 {
                pace.after(false, AT_ONCE);
            }
            assert_eq!(pace.after(brought_news, took), Duration::ZERO);
            assert_eq!(pace.after(false, AT_ONCE), Duration::ZERO);
            assert_eq!(pace.after(false, AT_ONCE), FIRST);
        }
    }
}
