//! The layers of several images as one graph, in which a layer that several of them have is there once.

use std::collections::HashMap;

use serde::Serialize;

use super::Plan;
use crate::layer::LayerKey;
use crate::vocabulary::StepId;

/// The layers of several plans.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// The layers: each after its parent, and all layers that rest on one directly behind it.
    pub layers: Vec<GraphLayer>,
}

/// A layer of a graph.
#[derive(Debug, Clone, Serialize)]
pub struct GraphLayer {
    /// Key of the layer.
    pub key: LayerKey,
    /// Step that makes it.
    pub step: StepId,
    /// Key of the layer below; `None` for a base.
    pub parent: Option<LayerKey>,
    /// Names of the images that have it.
    pub images: Vec<String>,
}

impl Graph {
    /// Returns the graph of some plans, whose images have different names.
    pub fn of<'p>(plans: impl IntoIterator<Item = &'p Plan>) -> Self {
        let mut layers: Vec<GraphLayer> = Vec::new();
        let mut known: HashMap<LayerKey, usize> = HashMap::new();
        let mut below: HashMap<Option<LayerKey>, Vec<usize>> = HashMap::new();
        for plan in plans {
            let mut parent = None;
            for step in &plan.steps {
                let number = *known.entry(step.key).or_insert_with(|| {
                    layers.push(GraphLayer { key: step.key, step: step.id.clone(), parent, images: Vec::new() });
                    below.entry(parent).or_default().push(layers.len() - 1);
                    layers.len() - 1
                });
                layers[number].images.push(plan.name.clone());
                parent = Some(step.key);
            }
        }
        // Depth first, without recursion: a chain may be long.
        let mut order = Vec::new();
        let mut open: Vec<usize> = below.get(&None).into_iter().flatten().rev().copied().collect();
        while let Some(number) = open.pop() {
            order.push(layers[number].clone());
            open.extend(below.get(&Some(layers[number].key)).into_iter().flatten().rev());
        }
        Self { layers: order }
    }

    /// Returns the number of layers that rest directly on a layer.
    pub fn children(&self, key: &LayerKey) -> usize {
        self.layers.iter().filter(|layer| layer.parent.as_ref() == Some(key)).count()
    }
}
