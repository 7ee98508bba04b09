//! An exception taken apart, so that a page can show it: frames, source lines, local variables.

/// One exception of a chain; the oldest stands first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exception {
    /// What leads from the exception before to this one.
    pub relation: Relation,
    /// `ValueError: the first line of its text`.
    pub text: String,
    /// The outermost call first, as Python shows them.
    pub frames: Vec<Frame>,
}

/// Why an exception follows another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Relation {
    /// It does not.
    #[default]
    First,
    /// `raise … from …`.
    Cause,
    /// It was raised while the other one was handled.
    Context,
}

/// One call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The source file.
    pub file: String,
    /// The line that was running; from 1.
    pub line: u32,
    /// The function's name; empty for none.
    pub function: String,
    /// Numbered lines around it.
    pub source: Vec<(u32, String)>,
    /// Names, and what `repr` says of their values.
    pub locals: Vec<(String, String)>,
    /// How many calls were left out before this one.
    pub left_out: usize,
}
