//! Orders elements: an element comes after those that it requires; otherwise the recipe's order stays.

/// The entry of `after` that stands for all other elements.
pub const ALL: &str = "*";

/// The facts about an element that decide its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// Name of the element.
    pub name: String,
    /// Elements that must be in the list, before this one.
    pub requires: Vec<String>,
    /// Elements that come before this one if they are in the list. [`ALL`] stands for all that need not come after it.
    pub after: Vec<String>,
    /// Elements that must not be in the list.
    pub conflicts: Vec<String>,
}

/// The reason why elements have no order. Numbers are indices of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderError {
    /// An element is listed twice.
    Duplicate {
        /// Index of the second entry.
        item: usize,
        /// Index of the first entry.
        first: usize,
    },
    /// An element needs one that is not listed.
    Missing {
        /// The element that needs it.
        item: usize,
        /// Name of the missing element.
        requirement: String,
    },
    /// Two elements cannot be together.
    Conflict {
        /// The element that names the conflict.
        item: usize,
        /// The other element.
        other: usize,
    },
    /// Elements form a circle: each comes after the next, and the last after the first.
    Cycle(Vec<usize>),
}

/// Returns the indices of the items in order. Requirements without a place come right before the item that needs them.
///
/// # Errors
///
/// All errors, except that a cycle hides others that share an element with it.
pub fn order(items: &[Item]) -> Result<Vec<usize>, Vec<OrderError>> {
    let mut search =
        Search { items, marks: vec![Mark::New; items.len()], path: Vec::new(), done: Vec::new(), errors: Vec::new() };
    for (item, entry) in items.iter().enumerate() {
        match search.find(&entry.name) {
            Some(first) if first < item => search.errors.push(OrderError::Duplicate { item, first }),
            _ => {}
        }
        for requirement in &entry.requires {
            if search.find(requirement).is_none() {
                search.errors.push(OrderError::Missing { item, requirement: requirement.clone() });
            }
        }
        for conflict in &entry.conflicts {
            if let Some(other) = search.find(conflict)
                && other != item
                && !search.reported(item, other)
            {
                search.errors.push(OrderError::Conflict { item, other });
            }
        }
    }
    for item in 0..items.len() {
        search.visit(item);
    }
    if search.errors.is_empty() { Ok(search.done) } else { Err(search.errors) }
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Done,
}

struct Search<'a> {
    items: &'a [Item],
    marks: Vec<Mark>,
    path: Vec<usize>,
    done: Vec<usize>,
    errors: Vec<OrderError>,
}

impl Search<'_> {
    fn find(&self, name: &str) -> Option<usize> {
        self.items.iter().position(|item| item.name == name)
    }

    /// Returns whether the conflict was reported from the other side.
    fn reported(&self, item: usize, other: usize) -> bool {
        self.errors.contains(&OrderError::Conflict { item: other, other: item })
    }

    /// Returns the elements that an element names: they come before it.
    fn named(&self, item: usize) -> impl Iterator<Item = usize> {
        let Item { requires, after, .. } = &self.items[item];
        requires.iter().chain(after).filter_map(|name| self.find(name))
    }

    /// Returns all elements that come directly before one. If it comes after all others, the result excludes elements that
    /// follow it, and others that come after all.
    fn before(&self, item: usize) -> Vec<usize> {
        let mut before: Vec<_> = self.named(item).collect();
        let is_last = |item: usize| self.items[item].after.iter().any(|name| name == ALL);
        if is_last(item) {
            before.extend((0..self.items.len()).filter(|&other| !is_last(other) && !self.follows(other, item)));
        }
        before
    }

    /// Returns whether an element comes after another one, directly or through elements between them.
    fn follows(&self, item: usize, other: usize) -> bool {
        let (mut seen, mut open) = (vec![false; self.items.len()], vec![item]);
        while let Some(item) = open.pop() {
            if item == other {
                return true;
            }
            if !std::mem::replace(&mut seen[item], true) {
                open.extend(self.named(item));
            }
        }
        false
    }

    /// Puts an item after those before it. The recursion is at most as deep as there are items.
    fn visit(&mut self, item: usize) {
        match self.marks[item] {
            Mark::Done => {}
            Mark::Open => {
                let start = self.path.iter().position(|&open| open == item).unwrap_or(0);
                self.errors.push(OrderError::Cycle(self.path[start..].to_vec()));
            }
            Mark::New => {
                self.marks[item] = Mark::Open;
                self.path.push(item);
                for before in self.before(item) {
                    self.visit(before);
                }
                self.path.pop();
                self.marks[item] = Mark::Done;
                self.done.push(item);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name<requirement>afterwards!conflict`, space separated: `b<a` requires a, `b>a` comes after a.
    fn items(text: &str) -> Vec<Item> {
        text.split_whitespace()
            .map(|word| {
                let mut item = Item::default();
                let mut marks: Vec<usize> = word.match_indices(['<', '>', '!']).map(|(at, _)| at).collect();
                marks.push(word.len());
                item.name = word[..marks[0]].to_owned();
                for pair in marks.windows(2) {
                    let name = word[pair[0] + 1..pair[1]].to_owned();
                    match word.as_bytes()[pair[0]] {
                        b'<' => item.requires.push(name),
                        b'>' => item.after.push(name),
                        _ => item.conflicts.push(name),
                    }
                }
                item
            })
            .collect()
    }

    #[test]
    fn requirements_come_first_and_the_rest_stays() {
        for (text, ordered) in [
            ("c a b", "c a b"),
            ("a<z b z", "z a b"),
            ("a>z b", "a b"),
            ("a>z b z", "z a b"),
            ("d<b<c c<a b<a a", "a b c d"),
            ("a!q b", "a b"),
            ("a>* b c", "b c a"),
            ("a>* b<a c", "c a b"),
            ("a>* b<d c d<a", "c a d b"),
            ("a>* b>* c", "c a b"),
            ("a>*>b b>* c", "c b a"),
            ("", ""),
        ] {
            let items = items(text);
            let names = order(&items)
                .map(|found| found.into_iter().map(|index| items[index].name.clone()).collect::<Vec<_>>().join(" "));
            assert_eq!(names.as_deref(), Ok(ordered), "{text}");
        }
    }

    #[test]
    fn every_fault_is_found() {
        let missing = |item, name: &str| OrderError::Missing { item, requirement: name.to_owned() };
        for (text, errors) in [
            ("a b a", vec![OrderError::Duplicate { item: 2, first: 0 }]),
            ("a<z b<y", vec![missing(0, "z"), missing(1, "y")]),
            ("a!b b!a", vec![OrderError::Conflict { item: 0, other: 1 }]),
            ("a<a", vec![OrderError::Cycle(vec![0])]),
            ("x a<b b>c c<a", vec![OrderError::Cycle(vec![1, 2, 3])]),
            ("a<b b<a c<d d<c", vec![OrderError::Cycle(vec![0, 1]), OrderError::Cycle(vec![2, 3])]),
            ("a<q b!a", vec![missing(0, "q"), OrderError::Conflict { item: 1, other: 0 }]),
        ] {
            assert_eq!(order(&items(text)), Err(errors), "{text}");
        }
    }
}
