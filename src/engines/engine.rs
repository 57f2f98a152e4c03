//! The engines, and what each of them allows.

use serde_json::json;

use super::template;
use super::workflow::{Piece, Workflow};
use crate::text::shell;

/// A program or service that runs jobs on machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Slurm.
    Slurm,
    /// Kubernetes.
    Kubernetes,
    /// GitHub Actions.
    Github,
    /// GitLab CI.
    Gitlab,
    /// Argo Workflows.
    Argo,
    /// Tekton Pipelines.
    Tekton,
    /// Zuul.
    Zuul,
    /// Jenkins.
    Jenkins,
}

/// An engine's file that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine takes no so large array.
    #[error("{engine} takes at most {most} images in one piece, and not {wanted}")]
    Piece {
        /// Name of the engine.
        engine: &'static str,
        /// What it takes.
        most: usize,
        /// What was asked for.
        wanted: usize,
    },
    /// A template of Goldsmith is wrong.
    #[error("the template for {engine} is wrong: {reason}")]
    Template {
        /// Name of the engine.
        engine: &'static str,
        /// The cause.
        reason: String,
    },
}

impl Engine {
    /// All engines.
    pub const ALL: [Self; 8] = [
        Self::Slurm,
        Self::Kubernetes,
        Self::Github,
        Self::Gitlab,
        Self::Argo,
        Self::Tekton,
        Self::Zuul,
        Self::Jenkins,
    ];

    /// Returns the word for the engine on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Slurm => "slurm",
            Self::Kubernetes => "kubernetes",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Argo => "argo",
            Self::Tekton => "tekton",
            Self::Zuul => "zuul",
            Self::Jenkins => "jenkins",
        }
    }

    /// Returns the name of the engine.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slurm => "Slurm",
            Self::Kubernetes => "Kubernetes",
            Self::Github => "GitHub Actions",
            Self::Gitlab => "GitLab CI",
            Self::Argo => "Argo Workflows",
            Self::Tekton => "Tekton",
            Self::Zuul => "Zuul",
            Self::Jenkins => "Jenkins",
        }
    }

    /// Returns the number of images that the engine takes in one piece.
    pub fn most(self) -> usize {
        match self {
            // `MaxArraySize` is 1001 unless a site sets it, and numbers are below it.
            Self::Slurm => 1000,
            // https://docs.github.com/actions/reference/limits
            Self::Github => 256,
            // https://docs.gitlab.com/ci/yaml/#parallelmatrix
            Self::Gitlab => 200,
            // `default-max-matrix-combinations-count` of Tekton. The others have no limit that a matrix reaches.
            Self::Tekton | Self::Kubernetes | Self::Argo | Self::Zuul | Self::Jenkins => 256,
        }
    }

    /// Writes the engine's own file. Pieces have at most `most` images, or as many as the engine takes.
    ///
    /// # Errors
    ///
    /// If the engine takes no so large pieces.
    pub fn write(self, workflow: &Workflow, most: Option<usize>) -> Result<String, EngineError> {
        // A site may allow larger arrays than Slurm by itself.
        if let Some(wanted) = most.filter(|most| *most > self.most() && self != Self::Slurm) {
            return Err(EngineError::Piece { engine: self.name(), most: self.most(), wanted });
        }
        let line = |words: &[String]| shell::command(words.iter().map(String::as_str));
        let word = |word: &str| shell::command([word]);
        let pieces = workflow.pieces(most.unwrap_or(self.most()));
        let numbers = |piece: &Piece| piece.cells.iter().map(|cell| format!(" {}", cell.number)).collect::<String>();
        let publish: Vec<String> = workflow.publish.iter().map(|words| line(words)).collect();
        let context = json!({
            "workflow": workflow,
            // In a comment of one line.
            "recipes": workflow.recipes.join(" ").replace(char::is_control, "?"),
            "build": line(&workflow.build),
            "collect": line(&workflow.collect),
            "published": publish.iter().map(|line| format!("\n{line}")).collect::<String>(),
            "publish": publish,
            "numbers": pieces.iter().map(numbers).collect::<Vec<_>>(),
            "pieces": pieces,
            "retried": RETRIED,
            "bucket": workflow.remote.address.starts_with("s3:"),
            // Words of a shell.
            "out": word(&workflow.out),
            "remote": word(&workflow.remote.address),
            "trusted": if workflow.remote.trusted.is_empty() { String::new() } else { word(&workflow.remote.trusted.join(" ")) },
            "key": workflow.remote.key.as_deref().map(word),
        });
        template::render(self.template(), &context)
            .map_err(|reason| EngineError::Template { engine: self.name(), reason })
    }

    fn template(self) -> &'static str {
        match self {
            Self::Slurm => include_str!("templates/slurm.sh"),
            Self::Kubernetes => include_str!("templates/kubernetes.yaml"),
            Self::Github => include_str!("templates/github.yaml"),
            Self::Gitlab => include_str!("templates/gitlab.yaml"),
            Self::Argo => include_str!("templates/argo.yaml"),
            Self::Tekton => include_str!("templates/tekton.yaml"),
            Self::Zuul => include_str!("templates/zuul.yaml"),
            Self::Jenkins => include_str!("templates/Jenkinsfile"),
        }
    }
}

/// Exit codes after which a job is tried again, for engines that want a list: 11, and those of programs that a signal has ended.
const RETRIED: [u8; 11] = [11, 129, 130, 131, 132, 134, 135, 136, 137, 139, 143];
