//! Tables for people: columns as wide as they need and the terminal has room for, colour on a terminal alone.

use jiff::{Timestamp, Zoned};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use uuid::Uuid;

use super::screen::Screen;
use super::terminal::Colour;
use crate::text::sanitise;

/// The narrowest that a column becomes where others need the room; the last tells most, and has more.
const NARROWEST: usize = 10;
const NARROWEST_LAST: usize = 24;

/// Lays out rows below their headings. Each row comes with the colour of one of its cells. On a terminal no line is wider
/// than that is: the last column gives way first, then whichever is widest.
pub(super) fn lay_out<const N: usize>(
    headings: [&str; N],
    rows: &[([String; N], Colour)],
    coloured: usize,
    screen: Screen,
) -> String {
    let headings = (headings.map(String::from), Colour::None);
    // Whatever stands in a cell comes from files that others write.
    let safe = |(cells, colour): &([String; N], Colour)| (cells.each_ref().map(|cell| sanitise(cell)), *colour);
    let lines: Vec<_> = std::iter::once(&headings).chain(rows).map(safe).collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| lines.iter().map(|(cells, _)| cells[column].width()).max().unwrap_or(0));
    let widths = screen.width.map_or(widths, |width| fitted(widths, width));
    let mut text = String::new();
    for (cells, colour) in &lines {
        let mut line = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let cell = cut(cell, widths[column]);
            let padding = " ".repeat(widths[column] - cell.width());
            let (start, end) = if screen.in_colour && column == coloured { colour.codes() } else { ("", "") };
            line += &format!("{start}{cell}{end}{padding}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// The widths of columns that fit into `room` together, two blanks between them.
fn fitted<const N: usize>(mut widths: [usize; N], room: usize) -> [usize; N] {
    let room = room.saturating_sub(2 * (N - 1));
    let last = N - 1;
    while widths.iter().sum::<usize>() > room {
        let widest = (0..last).max_by_key(|column| widths[*column]).unwrap_or(last);
        let gives_way = match () {
            () if widths[last] > NARROWEST_LAST => last,
            () if widths[widest] > NARROWEST => widest,
            () if widths[last] > 1 => last,
            // So narrow is no terminal.
            () => return widths,
        };
        widths[gives_way] -= 1;
    }
    widths
}

/// Words in lines that fit the terminal, those after the first indented.
pub(super) fn fill(text: &str, screen: Screen) -> String {
    let Some(width) = screen.width else { return format!("{text}\n") };
    let (mut filled, mut line) = (String::new(), String::new());
    for word in text.split(' ') {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            filled += &(std::mem::take(&mut line) + "\n");
            line.push_str("   ");
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    filled + &line + "\n"
}

/// The text as far as it fits, its end marked where it does not.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.into();
    }
    let mut cut = String::new();
    let mut left = width.saturating_sub(1);
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if columns > left {
            break;
        }
        left -= columns;
        cut.push(c);
    }
    cut + "…"
}

/// An id as it is told: on a terminal its beginning, which `show` takes.
pub(super) fn id(id: &Uuid, screen: Screen) -> String {
    let text = id.to_string();
    if screen.is_terminal() { short_id(&text) } else { text }
}

/// The beginning of an id that tells it from others.
pub(super) fn short_id(id: &str) -> String {
    id.get(..8).unwrap_or(id).to_owned()
}

/// A ref as it is told: on a terminal without what the event says already.
pub(super) fn short_ref(name: &str, screen: Screen) -> String {
    let short = || name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/"));
    screen.is_terminal().then(short).flatten().unwrap_or(name).to_owned()
}

/// A time: on a terminal in the time of who reads it, of today without the date, else whole and in UTC.
pub(super) fn time(seconds: i64, screen: Screen) -> String {
    if !screen.is_terminal() {
        return moment(seconds);
    }
    local(seconds, &Zoned::now())
}

fn local(seconds: i64, now: &Zoned) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or_default().to_zoned(now.time_zone().clone());
    let form = match () {
        () if time.date() == now.date() => "%H:%M:%S",
        () if time.year() == now.year() => "%b %e %H:%M",
        () => "%Y-%m-%d",
    };
    time.strftime(form).to_string()
}

/// `45s`, `12m`, `3h`, `2d`: a length of time in its largest unit.
pub(super) fn length(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// A time as people read it, in UTC.
pub(super) fn moment(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Screen = Screen { width: None, in_colour: false };

    fn wide(width: usize) -> Screen {
        Screen { width: Some(width), in_colour: false }
    }

    #[test]
    fn columns_are_as_wide_as_they_need() {
        let rows = [(["ci".into(), "ok".into()], Colour::Green), (["long name".into(), "failing".into()], Colour::Red)];
        let plain = lay_out(["NAME", "STATE"], &rows, 1, PIPE);
        assert_eq!(plain, "NAME       STATE\nci         ok\nlong name  failing\n");
        let coloured = Screen { in_colour: true, ..PIPE };
        assert!(lay_out(["NAME", "STATE"], &rows, 1, coloured).contains("\x1b[31mfailing\x1b[0m"));
    }

    #[test]
    fn a_character_counts_as_many_columns_as_it_takes() {
        let rows = [(["日本語ブランチ".into(), "x".into()], Colour::None), (["main".into(), "y".into()], Colour::None)];
        assert_eq!(lay_out(["REF", "A"], &rows, 0, PIPE), "REF             A\n日本語ブランチ  x\nmain            y\n");
        assert_eq!([1, 2, 3, 5].map(|width| cut("日本語", width)), ["…", "…", "日…", "日本…"]);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let row = |name: usize, answer: usize| (["r".repeat(name), "s".into(), "a".repeat(answer)], Colour::None);
        let rows = [row(30, 100), row(4, 4)];
        for width in [10, 20, 39, 60, 80, 200] {
            let text = lay_out(["REF", "STATE", "ANSWER"], &rows, 0, wide(width));
            let longest = text.lines().map(UnicodeWidthStr::width).max().unwrap();
            assert!(longest <= width.max(23), "{width}: {text}");
            assert_eq!(text.contains(&"a".repeat(100)), width == 200, "{width}: {text}");
            // The answer gives way first, and the rest where hardly anything is left of it.
            assert_eq!(text.contains(&"r".repeat(30)), width > 60, "{width}: {text}");
        }
    }

    #[test]
    fn words_are_filled_into_lines() {
        assert_eq!(fill("one two three four", wide(12)), "one two\n    three\n    four\n");
        assert_eq!(fill("one two three four", PIPE), "one two three four\n");
    }

    #[test]
    fn a_time_has_as_much_of_a_date_as_it_needs() {
        let now: Zoned = "2026-11-29T01:00:00+09:00[Asia/Tokyo]".parse().unwrap();
        let at = |time: &str| local(time.parse::<Timestamp>().unwrap().as_second(), &now);
        assert_eq!(at("2026-11-28T15:30:05Z"), "00:30:05");
        assert_eq!(at("2026-11-28T14:30:05Z"), "Nov 28 23:30");
        assert_eq!(at("2026-03-04T00:30:05Z"), "Mar  4 09:30");
        assert_eq!(at("2025-12-31T14:30:05Z"), "2025-12-31");
        assert_eq!(time(0, PIPE), "1970-01-01 00:00:00Z");
    }

    #[test]
    fn a_length_has_one_unit() {
        assert_eq!([-5, 59, 60, 7199, 86_400 * 3].map(length), ["0s", "59s", "1m", "1h", "3d"]);
    }
}
