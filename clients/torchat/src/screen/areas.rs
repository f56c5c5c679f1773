//! Where everything is on the screen. From sizes alone, because keys, the mouse, what counts as seen and the drawing must all
//! mean the same places.

use ratatui::layout::Rect;

/// From this many columns on, the list stands beside the conversation.
const BOTH: u16 = 72;
/// Below it, nothing but a sentence is shown.
pub(crate) const LEAST: (u16, u16) = (20, 6);
/// Of the list, beside a name: a sign and a blank before it, a number or an age behind it, and the edge.
const AROUND_NAME: u16 = 2 + 5 + 1;
/// The list and its edge have this many columns at least.
const NARROW: u16 = 16;
/// The prompt before the input.
pub(crate) const PROMPT: &str = "> ";

/// The areas of the screen. What does not fit is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Areas {
    pub(crate) list: Rect,
    /// The line between the list and the rest.
    pub(crate) edge: Rect,
    /// Who it is.
    pub(crate) bar: Rect,
    /// Messages, or what covers them.
    pub(crate) body: Rect,
    /// The line above the input.
    pub(crate) rule: Rect,
    pub(crate) input: Rect,
    /// What is going on.
    pub(crate) status: Rect,
}

/// What is in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// What is open, or what covers it.
    Open,
    /// The list, where it does not stand beside the rest.
    List,
    /// The first start: its code needs the row of the bar.
    FirstRun,
    /// A code, which covers everything but the two lines of one row: it needs every other row that there is.
    Code,
}

/// What the places depend on before the text of the input is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Columns and rows of the terminal.
    pub(crate) screen: (u16, u16),
    /// Somebody is in the list. A list without anybody is not shown.
    pub(crate) has_list: bool,
    /// Columns of the longest name in the list.
    pub(crate) names: u16,
    /// The columns of the list, if the user has set them.
    pub(crate) list: Option<u16>,
}

impl Sizes {
    /// Whether list and conversation are side by side.
    pub(crate) fn is_wide(self) -> bool {
        self.screen.0 >= BOTH
    }

    /// The columns of the input's text.
    pub(crate) fn input_columns(self) -> usize {
        let main = self.screen.0.saturating_sub(self.list_columns());
        usize::from(main).saturating_sub(PROMPT.len()).max(2)
    }

    /// Of the list and its edge, where they are beside the rest: as many as the names need, up to a quarter of the screen.
    fn list_columns(self) -> u16 {
        if !self.is_wide() || !self.has_list {
            return 0;
        }
        // What the user has set, but the conversation keeps more than half; else as many as the names need.
        self.list.map_or_else(
            || (self.names.saturating_add(AROUND_NAME)).clamp(NARROW, (self.screen.0 / 4).clamp(22, 34)),
            |list| (list + 1).min(self.screen.0 / 2),
        )
    }

    /// The areas, with an input whose text has this many rows.
    pub(crate) fn areas(self, input_rows: usize, body: Body) -> Areas {
        let (columns, rows) = self.screen;
        if columns < LEAST.0 || rows < LEAST.1 {
            return Areas::default();
        }
        let status = Rect::new(0, rows - 1, columns, 1);
        if body == Body::Code {
            // What Tor does, what is new elsewhere and the time are there at every page.
            let rule = Rect::new(0, rows - 2, columns, 1);
            return Areas { body: Rect::new(0, 0, columns, rows - 2), rule, status, ..Areas::default() };
        }
        let left = self.list_columns();
        let (x, wide) = (left, columns - left);
        let limit = (rows / 3).max(1);
        let input = u16::try_from(input_rows).unwrap_or(limit).clamp(1, limit);
        let body_rows = rows.saturating_sub(input + 3);
        let list_rows = if left > 0 { rows - 1 } else { 0 };
        let mut areas = Areas {
            list: Rect::new(0, 0, left.saturating_sub(1), list_rows),
            edge: Rect::new(left.saturating_sub(1), 0, left.min(1), list_rows),
            bar: Rect::new(x, 0, wide, 1),
            body: Rect::new(x, 1, wide, body_rows),
            rule: Rect::new(x, 1 + body_rows, wide, 1),
            input: Rect::new(x, 2 + body_rows, wide, input),
            status,
        };
        if body == Body::FirstRun {
            areas.body = Rect::new(x, 0, wide, body_rows + 1);
            areas.bar = Rect::new(x, 0, 0, 0);
        } else if body == Body::List && left == 0 {
            areas.list = areas.body;
            areas.body = Rect::new(x, 1, 0, 0);
        }
        areas
    }
}

/// The first row of the list on the screen, with the cursor on its row `at`.
pub(crate) fn list_offset(at: usize, height: u16) -> usize {
    (at + 1).saturating_sub(usize::from(height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_list_stands_beside_the_rest_where_there_is_room_and_somebody_in_it() {
        let sizes = |columns, has_list| Sizes { screen: (columns, 24), has_list, names: 40, list: None };
        assert_eq!(sizes(80, true).areas(1, Body::Open).list, Rect::new(0, 0, 21, 23));
        assert_eq!(sizes(80, false).areas(1, Body::Open).list.width, 0);
        assert_eq!(sizes(71, true).areas(1, Body::Open).list.width, 0);
        assert_eq!(sizes(71, true).areas(1, Body::List).list, Rect::new(0, 1, 71, 20));
        let code = sizes(80, false).areas(1, Body::Code);
        assert_eq!((code.body, code.rule), (Rect::new(0, 0, 80, 22), Rect::new(0, 22, 80, 1)));
    }

    #[test]
    fn the_list_takes_the_columns_that_its_names_need() {
        let columns = |screen, names| Sizes { screen: (screen, 40), has_list: true, names, list: None }.list_columns();
        assert_eq!([0, 3, 8, 9, 15, 40].map(|names| columns(120, names)), [16, 16, 16, 17, 23, 30]);
        assert_eq!([3, 20, u16::MAX].map(|names| columns(80, names)), [16, 22, 22]);
        assert_eq!(columns(300, 99), 34);
    }

    proptest! {
        #[test]
        fn areas_lie_on_the_screen_and_not_on_each_other(
            screen in (0u16..200, 0u16..80),
            has_list: bool,
            names: u16,
            input in 0usize..100,
            list in prop::option::of(12u16..=60),
            body in prop::sample::select(vec![Body::Open, Body::List, Body::FirstRun, Body::Code]),
        ) {
            let areas = Sizes { screen, has_list, names, list }.areas(input, body);
            let all = [areas.list, areas.edge, areas.bar, areas.body, areas.rule, areas.input, areas.status];
            for (n, one) in all.iter().enumerate() {
                prop_assert!(one.right() <= screen.0 && one.bottom() <= screen.1, "{one:?} of {screen:?}");
                for other in all.iter().skip(n + 1) {
                    prop_assert!(one.intersection(*other).is_empty(), "{areas:?}");
                }
            }
        }
    }
}
