//! Colours.
//!
//! Everything that a colour says is also said by a sign or a word, so that it can be left out.

use ratatui::style::{Color, Modifier, Style};
use torchat_client::api::{ConversationId, Onion};

/// Which colours fit the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Theme {
    Dark,
    Light,
    /// `NO_COLOR`, or a terminal that has none.
    Plain,
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Text,
    /// Less important.
    Dim,
    /// A title, or what is new.
    Strong,
    /// What needs the user.
    Warning,
    Good,
    /// One of a contact's own colours.
    Contact(ConversationId),
    /// One of a member's own colours, where their onion is not known: of which room, and their number.
    Member(ConversationId, u32),
    /// Somebody has named the user.
    Mention,
    /// Of the user's own messages.
    You,
    /// Where the cursor of a list is.
    Chosen,
    Bar,
    /// A light module of a QR code.
    Paper,
}

/// Readable on black: 256-colour numbers with enough contrast, and none like the others.
const DARK: [u8; 12] = [75, 114, 180, 176, 80, 215, 141, 150, 210, 186, 117, 219];
/// Readable on white.
const LIGHT: [u8; 12] = [25, 28, 94, 90, 30, 130, 55, 64, 124, 100, 24, 127];

impl Role {
    /// A member's colour: that of their onion, so a person has one in all rooms, in the list, and on every machine.
    pub(crate) fn of_member(room: ConversationId, no: u32, onion: Option<Onion>) -> Self {
        onion.map_or(Self::Member(room, no), |onion| Self::Contact(onion.conversation()))
    }
}

impl Theme {
    /// What the environment says: `NO_COLOR`, `TERM=dumb`, `TORCHAT_THEME`, `COLORFGBG` (the last number is the
    /// background's: 7 and 9 to 15 are light).
    pub(crate) fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        if variable("NO_COLOR").is_some_and(|value| !value.is_empty()) || variable("TERM").as_deref() == Some("dumb") {
            return Self::Plain;
        }
        match variable("TORCHAT_THEME").as_deref() {
            Some("light") => return Self::Light,
            Some("dark") => return Self::Dark,
            Some("plain") => return Self::Plain,
            _ => {}
        }
        let background = variable("COLORFGBG")
            .and_then(|colours| colours.rsplit(';').next().and_then(|number| number.parse::<u8>().ok()));
        if background.is_some_and(|colour| colour == 7 || (9..16).contains(&colour)) { Self::Light } else { Self::Dark }
    }

    /// `TORCHAT_THEME`, which is for this one start, else what is set, else what the environment says of the terminal.
    pub(crate) fn chosen(set: Option<Self>, variable: impl Fn(&str) -> Option<String>) -> Self {
        let is_named = matches!(variable("TORCHAT_THEME").as_deref(), Some("dark" | "light" | "plain"));
        set.filter(|_| !is_named).unwrap_or_else(|| Self::of_environment(variable))
    }

    /// How the user calls it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::Plain => "plain",
        }
    }

    /// How a text is written.
    pub(crate) fn style(self, role: Role) -> Style {
        let style = Style::new();
        let strong = style.add_modifier(Modifier::BOLD);
        let dark = self == Self::Dark;
        if self == Self::Plain {
            return match role {
                Role::Text | Role::Paper | Role::Good => style,
                Role::Dim => style.add_modifier(Modifier::DIM),
                Role::Strong | Role::Warning | Role::Contact(_) | Role::Member(..) | Role::Mention | Role::You => {
                    strong
                }
                Role::Chosen | Role::Bar => style.add_modifier(Modifier::REVERSED),
            };
        }
        let colour = |on_dark: u8, on_light: u8| style.fg(Color::Indexed(if dark { on_dark } else { on_light }));
        match role {
            Role::Text => style,
            Role::Dim => colour(245, 243),
            Role::Strong => strong,
            Role::Warning => colour(214, 130).add_modifier(Modifier::BOLD),
            Role::Good => colour(114, 28),
            Role::Contact(id) => self.contact(id, 0).add_modifier(Modifier::BOLD),
            Role::Member(room, no) => self.contact(room, no).add_modifier(Modifier::BOLD),
            Role::Mention => colour(213, 126).add_modifier(Modifier::BOLD),
            Role::You => colour(252, 238).add_modifier(Modifier::BOLD),
            Role::Chosen => style.bg(Color::Indexed(if dark { 238 } else { 253 })),
            Role::Bar => colour(252, 238).bg(Color::Indexed(if dark { 236 } else { 254 })),
            Role::Paper => style.fg(Color::Indexed(16)).bg(Color::Indexed(231)),
        }
    }

    /// The contact's colour: it comes from its key, so it is the same on every screen and after every start. It proves nothing:
    /// there are twelve, and anyone who makes a dozen keys has one of the colour that they like. Of a member whose onion the owner did
    /// not say it comes from the room and the number.
    fn contact(self, id: ConversationId, member: u32) -> Style {
        // All bytes, because the first ones are what is made to look alike.
        let sum = id.as_bytes().iter().fold(17u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        let sum = sum.wrapping_add(u64::from(member));
        let colours = if self == Self::Dark { DARK } else { LIGHT };
        let place = usize::try_from(sum % colours.len() as u64).unwrap_or(0);
        Style::new().fg(Color::Indexed(colours.get(place).copied().unwrap_or(7)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Frozen: who has learnt a contact's colour shall find it in the next version too.
    #[test]
    fn a_contacts_colour_comes_from_its_key_and_stays() {
        let known = [
            ("qe4xodvipulv6vvdkrtmgtd6ztfy3curwtxdpis56yhvxd6jwokbr4qd", 114, 28),
            ("5vesrrri2hbmn2xjam4jawmvmeuvsjz2lrr7snrwyfdbjlehg7iuvmyd", 180, 94),
            ("2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid", 114, 28),
        ];
        for (onion, dark, light) in known {
            let role = Role::Contact(onion.parse::<ConversationId>().unwrap());
            assert_eq!(Theme::Dark.style(role).fg, Some(Color::Indexed(dark)), "{onion}");
            assert_eq!(Theme::Light.style(role).fg, Some(Color::Indexed(light)), "{onion}");
            assert_eq!(Theme::Plain.style(role).fg, None);
        }
    }

    #[test]
    fn a_member_has_the_colour_of_their_onion_in_every_room() {
        let onion: ConversationId = "5vesrrri2hbmn2xjam4jawmvmeuvsjz2lrr7snrwyfdbjlehg7iuvmyd".parse().unwrap();
        let room: ConversationId = "52sfije2rhkqqibiuxx2dj5olxew2ajppimi4o5bnxe6axygijwrooid".parse().unwrap();
        let known = onion.as_peer().map(Onion);
        for (room, no) in [(room, 1), (room, 7), (onion, 2)] {
            assert_eq!(Role::of_member(room, no, known), Role::Contact(onion));
        }
        assert_eq!(Role::of_member(room, 7, None), Role::Member(room, 7));
    }

    #[test]
    fn the_first_members_of_a_room_have_colours_of_their_own() {
        let room: ConversationId = "52sfije2rhkqqibiuxx2dj5olxew2ajppimi4o5bnxe6axygijwrooid".parse().unwrap();
        for theme in [Theme::Dark, Theme::Light] {
            let colour = |no| theme.style(Role::Member(room, no)).fg.unwrap();
            let colours: std::collections::HashSet<_> = (1..=12).map(colour).collect();
            assert_eq!(colours.len(), 12);
            assert_eq!(colour(1), colour(13));
        }
        // Frozen, as a contact's.
        assert_eq!(Theme::Dark.style(Role::Member(room, 1)).fg, Some(Color::Indexed(176)));
        assert_eq!(Theme::Plain.style(Role::Member(room, 1)).fg, None);
    }

    #[test]
    fn what_is_set_counts_more_than_the_terminal_and_less_than_this_start() {
        let chosen = |set, pair: (&str, &str)| {
            let (name, value) = (pair.0.to_owned(), pair.1.to_owned());
            Theme::chosen(set, move |wanted| (wanted == name).then(|| value.clone()))
        };
        assert_eq!(chosen(Some(Theme::Light), ("NO_COLOR", "1")), Theme::Light);
        assert_eq!(chosen(Some(Theme::Light), ("TORCHAT_THEME", "dark")), Theme::Dark);
        assert_eq!(chosen(None, ("COLORFGBG", "0;15")), Theme::Light);
    }

    #[test]
    fn the_environment_says_which_colours_fit() {
        let theme = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Theme::of_environment(move |wanted| {
                pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
            })
        };
        assert_eq!(theme(&[]), Theme::Dark);
        assert_eq!(theme(&[("COLORFGBG", "0;15")]), Theme::Light);
        assert_eq!(theme(&[("COLORFGBG", "15;0")]), Theme::Dark);
        assert_eq!(theme(&[("COLORFGBG", "0;15"), ("TORCHAT_THEME", "dark")]), Theme::Dark);
        assert_eq!(theme(&[("NO_COLOR", "1"), ("TORCHAT_THEME", "dark")]), Theme::Plain);
        assert_eq!(theme(&[("NO_COLOR", "")]), Theme::Dark);
        assert_eq!(theme(&[("TERM", "dumb")]), Theme::Plain);
    }
}
