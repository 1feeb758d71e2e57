//! What a worker did and is doing, in a file: a line before each operation, and one after it was acknowledged.
//!
//! A write to a file outlives whoever wrote it, so what was acknowledged before a process was killed is there.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::Model;
use crate::operation::{Answer, Operation};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Line {
    Begin(Operation),
    Done(Answer),
}

pub(crate) struct Journal(File);

impl Journal {
    /// Begins one after `model`.
    pub(crate) fn make(folder: &Path, model: &Model) {
        fs::write(folder.join("model"), serde_json::to_vec(model).unwrap()).unwrap();
        fs::write(path(folder), "").unwrap();
    }

    pub(crate) fn open(folder: &Path) -> (Self, Model) {
        let model = serde_json::from_slice(&fs::read(folder.join("model")).unwrap()).unwrap();
        let file = OpenOptions::new().append(true).open(path(folder)).unwrap();
        (Self(file), model)
    }

    pub(crate) fn write(&mut self, line: &Line) {
        let mut bytes = serde_json::to_vec(line).unwrap();
        bytes.push(b'\n');
        assert_eq!(self.0.write(&bytes).unwrap(), bytes.len());
    }
}

pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("journal")
}

/// All lines, but for the last if its writer was killed in the midst of it.
pub(crate) fn read(folder: &Path) -> Vec<Line> {
    let text = fs::read_to_string(path(folder)).unwrap();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What is so for sure after some lines, and the operation which was not acknowledged in them.
pub(crate) fn follow(model: &mut Model, lines: &[Line]) -> Option<Operation> {
    let mut pending = None;
    for line in lines {
        match line {
            Line::Begin(operation) => pending = Some(operation.clone()),
            Line::Done(answer) => model.apply(&pending.take().expect("an operation was begun"), answer),
        }
    }
    pending
}
