"""The quarter-width ST-GCN, a common baseline in the field."""

from typing import Dict

from mmaction.models.backbones import STGCN
from mmaction.models.backbones.stgcn import STGCNBlock
from mmaction.registry import MODELS


@MODELS.register_module()
class STGCNSlim(STGCN):
    """MMAction2's ``STGCN`` with narrow blocks and a wider last block.

    By default the blocks have 16, 32 and 64 channels, the last one maps 64 to 256 features, and the
    network has 821,380 parameters ('nturgb+d', 'stgcn_spatial'). ``STGCN(base_channels=16)`` is a
    different network: 212,868 parameters and 64 features.

    Args:
        graph_cfg (dict): Config of the graph.
        base_channels (int): Channels of the first blocks. Defaults to 16.
        out_channels (int): Channels of the last block, the size of a feature. Defaults to 256.
        in_channels (int): Channels of the input. Defaults to 3.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.
    """

    def __init__(
        self,
        graph_cfg: Dict,
        base_channels: int = 16,
        out_channels: int = 256,
        in_channels: int = 3,
        init_cfg=None,
    ) -> None:
        super().__init__(
            graph_cfg=graph_cfg,
            in_channels=in_channels,
            base_channels=base_channels,
            init_cfg=init_cfg,
        )
        last = self.gcn[-1]
        graph = last.gcn.A.detach().clone()
        self.gcn[-1] = STGCNBlock(last.gcn.in_channels, out_channels, graph)
