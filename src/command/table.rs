//! Tables for people: columns as wide as they need, colour on a terminal alone.

use jiff::Timestamp;

use super::terminal::Colour;
use crate::text::sanitise;

/// Lays out rows below their headings. Each row comes with the colour of one of its cells.
pub(super) fn lay_out<const N: usize>(
    headings: [&str; N],
    rows: &[([String; N], Colour)],
    coloured: usize,
    in_colour: bool,
) -> String {
    let headings = (headings.map(String::from), Colour::None);
    // Whatever stands in a cell comes from files that others write.
    let safe = |(cells, colour): &([String; N], Colour)| (cells.each_ref().map(|cell| sanitise(cell)), *colour);
    let lines: Vec<_> = std::iter::once(&headings).chain(rows).map(safe).collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| lines.iter().map(|(cells, _)| cells[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for (cells, colour) in &lines {
        let mut line = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let padding = " ".repeat(widths[column] - cell.chars().count());
            let (start, end) = if in_colour && column == coloured { colour.codes() } else { ("", "") };
            line += &format!("{start}{cell}{end}{padding}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
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

    #[test]
    fn columns_are_as_wide_as_they_need() {
        let rows = [(["ci".into(), "ok".into()], Colour::Green), (["long name".into(), "failing".into()], Colour::Red)];
        let plain = lay_out(["NAME", "STATE"], &rows, 1, false);
        assert_eq!(plain, "NAME       STATE\nci         ok\nlong name  failing\n");
        assert!(lay_out(["NAME", "STATE"], &rows, 1, true).contains("\x1b[31mfailing\x1b[0m"));
    }

    #[test]
    fn a_length_has_one_unit() {
        assert_eq!([-5, 59, 60, 7199, 86_400 * 3].map(length), ["0s", "59s", "1m", "1h", "3d"]);
    }
}
