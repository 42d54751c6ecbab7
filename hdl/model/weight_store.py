"""What hdl/rtl/uf_weight_store.sv does: weights behind the TABLE registers that are put to use in one piece."""

import numpy as np

from hdl.compile.unionfind_rows import edge_rows, lane_weights
from hdl.model.unionfind import UnionFindModel


class WeightStore:
    """Weights of a loadable core, without time.

    Attributes:
        words: uint32, the core's memory: a weight for each lane, the growth to start at, and a word that reads 0.
    """

    def __init__(self, model: UnionFindModel) -> None:
        self._model = model
        rows = edge_rows(model.fabric)
        self._lanes = np.concatenate([row.edge for row in rows])
        weights = lane_weights(model.fabric, rows)
        self.words = np.array([*weights, model.fabric.start, 0], dtype=np.uint32)
        self._weight_mask = (1 << model.options.weight_bits) - 1

    def written(self, index: int) -> None:
        """A word was written: keep the bits that the RTL keeps; at the last word, put all to use."""
        num_lanes = len(self._lanes)
        if index < num_lanes:
            self.words[index] &= np.uint32(self._weight_mask)
        elif index == num_lanes:
            self.words[index] &= np.uint32(2 * self._weight_mask + 1)
        else:
            self.words[index] = 0
            used = self._lanes >= 0
            weight = np.zeros(self._model.fabric.num_edges, dtype=np.int64)
            weight[self._lanes[used]] = self.words[:num_lanes][used]
            self._model.load(weight, int(self.words[num_lanes]))
