//! What an engine does for a matrix, as pure data.

use std::collections::HashMap;

use serde::Serialize;

use crate::layer::LayerKey;
use crate::plan::Graph;

/// The jobs of a matrix. All of them run in the directory of the recipes.
#[derive(Debug, Clone, Serialize)]
pub struct Workflow {
    /// Name of the whole: a DNS label.
    pub name: String,
    /// The recipes, as the command line names them.
    pub recipes: Vec<String>,
    /// Words of the command that builds: `goldsmith build`, the recipes, and options.
    pub build: Vec<String>,
    /// Words of the command that collects the results.
    pub collect: Vec<String>,
    /// Words of the commands that publish the images when all are made, one for each recipe; empty to publish nothing.
    pub publish: Vec<Vec<String>>,
    /// Directory of the artifacts.
    pub out: String,
    /// The cache that the machines share.
    pub remote: Remote,
    /// Container image with Goldsmith, for engines that run containers.
    pub image: String,
    /// What a job needs.
    pub needs: Needs,
    /// How many images are built at the same time; `None` for as many as the engine likes.
    pub at_once: Option<usize>,
    /// Steps that several images share.
    pub stages: Vec<Stage>,
    /// The images.
    pub cells: Vec<Cell>,
}

/// The cache that the machines of an engine share.
#[derive(Debug, Clone, Serialize)]
pub struct Remote {
    /// Its address.
    pub address: String,
    /// Public keys whose layers are taken, besides that of the machines themselves.
    pub trusted: Vec<String>,
    /// File of the secret key, where the machines have the files of this one.
    pub key: Option<String>,
}

/// What a job needs of a machine.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Needs {
    /// Memory, in MiB.
    pub memory: u64,
    /// Room on the disk, in MiB.
    pub disk: u64,
    /// Whether it makes mounts of its own, for a base of packages or of a root tree, or for EROFS.
    pub mounts: bool,
}

/// Steps that several images share and that no other images have in between: a job makes them once, before those images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Number of the stage, from 0.
    pub number: usize,
    /// The stage below, on which it rests.
    pub after: Option<usize>,
    /// Number of steps from the base to its last step.
    pub steps: usize,
    /// Its last step, for people.
    pub last: String,
    /// Names of the images that have these steps.
    pub images: Vec<String>,
}

/// An image of the matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// Number of the image, from 0.
    pub number: usize,
    /// Name of the image.
    pub name: String,
    /// The stage on which it rests.
    pub after: Option<usize>,
}

/// Images that rest on the same stage, and that an engine starts as one array of jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// Number of the piece, from 0.
    pub number: usize,
    /// The stage on which they rest.
    pub after: Option<usize>,
    /// The images.
    pub cells: Vec<Cell>,
}

impl Stage {
    /// Finds the stages of a graph. A stage comes after the one on which it rests.
    pub fn all(graph: &Graph) -> Vec<Self> {
        let mut stages: Vec<Self> = Vec::new();
        // The stage of each layer, and its number of steps from the base.
        let mut known: HashMap<LayerKey, (Option<usize>, usize)> = HashMap::new();
        for layer in &graph.layers {
            let (below, depth) = layer.parent.and_then(|parent| known.get(&parent).copied()).unwrap_or((None, 0));
            let steps = depth + 1;
            let stage = match below {
                // A step that one image alone has is part of no stage.
                _ if layer.images.len() < 2 => below,
                Some(number) if stages[number].images == layer.images => {
                    (stages[number].steps, stages[number].last) = (steps, layer.step.to_string());
                    Some(number)
                }
                after => {
                    let (number, last) = (stages.len(), layer.step.to_string());
                    stages.push(Self { number, after, steps, last, images: layer.images.clone() });
                    Some(number)
                }
            };
            known.insert(layer.key, (stage, steps));
        }
        stages
    }

    /// Returns the number of the last stage that an image has.
    pub fn of_image(stages: &[Self], name: &str) -> Option<usize> {
        stages.iter().rfind(|stage| stage.images.iter().any(|image| image == name)).map(|stage| stage.number)
    }
}

impl Workflow {
    /// Divides the images into pieces of at most `most`, each of images on the same stage.
    pub fn pieces(&self, most: usize) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        for cell in &self.cells {
            let open = pieces.iter_mut().rfind(|piece| piece.after == cell.after);
            match open.filter(|piece| piece.cells.len() < most) {
                Some(piece) => piece.cells.push(cell.clone()),
                None => pieces.push(Piece { number: pieces.len(), after: cell.after, cells: vec![cell.clone()] }),
            }
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{GraphLayer, Phase, StepId};

    fn layer(name: &str, parent: Option<&str>, images: &str) -> GraphLayer {
        GraphLayer {
            key: LayerKey::of(name),
            step: StepId { phase: Phase::Configure, element: name.to_owned() },
            parent: parent.map(LayerKey::of),
            images: images.chars().map(String::from).collect(),
        }
    }

    #[test]
    fn stages_are_the_steps_that_several_images_share() {
        let layers = vec![
            layer("base", None, "abcd"),
            layer("sshd", Some("base"), "abcd"),
            layer("web", Some("sshd"), "ab"),
            layer("nginx", Some("web"), "ab"),
            layer("a", Some("nginx"), "a"),
            layer("b", Some("nginx"), "b"),
            layer("c", Some("sshd"), "c"),
            layer("d", Some("sshd"), "d"),
            layer("other", None, "e"),
        ];
        let stages = Stage::all(&Graph { layers });
        let seen: Vec<_> =
            stages.iter().map(|stage| (stage.number, stage.after, stage.steps, stage.last.as_str())).collect();
        assert_eq!(seen, [(0, None, 2, "configure sshd"), (1, Some(0), 4, "configure nginx")]);
        let of = |name: &str| Stage::of_image(&stages, name);
        assert_eq!(["a", "b", "c", "e"].map(of), [Some(1), Some(1), Some(0), None]);
    }
}
