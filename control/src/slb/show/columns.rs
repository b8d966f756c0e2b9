//! Left-aligned columns that start where IOS starts them.

/// A table: each column's title and start (0-based), and the length of the dash rule.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// Titles with the column where each starts, ascending.
    pub columns: &'a [(&'a str, usize)],
    /// Dashes under the header.
    pub rule: usize,
}

impl Columns<'_> {
    /// Header, rule and rows. A cell that fills or passes its column pushes the next one away by one blank;
    /// nothing is cut.
    pub fn text<R: AsRef<[String]>>(&self, rows: impl IntoIterator<Item = R>) -> String {
        let mut out = String::new();
        self.row(&mut out, self.columns.iter().map(|(title, _)| *title));
        out.push_str(&"-".repeat(self.rule));
        out.push('\n');
        for row in rows {
            self.row(&mut out, row.as_ref().iter().map(String::as_str));
        }
        out
    }

    fn row<'c>(&self, out: &mut String, cells: impl Iterator<Item = &'c str>) {
        let line = out.len();
        for (cell, (_, start)) in cells.zip(self.columns) {
            let length = out.len() - line;
            let blanks = if length == 0 { *start } else { start.saturating_sub(length).max(1) };
            out.extend(std::iter::repeat_n(' ', blanks));
            out.push_str(cell);
        }
        out.push('\n');
    }
}
