"""The operators that an ONNX file may use: all of them only compute numbers from numbers.

None has a graph inside (If, Loop, Scan), draws random numbers, reads or decodes anything, or gives
as many numbers as the picture's content says (NonZero, Unique, Range).
"""

from __future__ import annotations

# Become layers here, at least with usual settings, so that a network of them has gradients.
WITH_LAYERS = frozenset(
    {
        *("Add", "AveragePool", "BatchNormalization", "Cast", "Celu", "Clip", "Concat", "Conv"),
        *("Div", "Dropout", "Elu", "Erf", "Exp", "Flatten", "Gather", "Gelu", "Gemm"),
        *("GlobalAveragePool", "GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity"),
        *("InstanceNormalization", "LayerNormalization", "LeakyRelu", "LogSoftmax", "MatMul"),
        *("Max", "MaxPool", "Mean", "Min", "Mish", "Mul", "Neg", "PRelu", "Pad", "ReduceMax"),
        *("ReduceMean", "Relu", "Reshape", "Resize", "Selu", "Sigmoid", "Slice", "Softmax"),
        *("Softplus", "Softsign", "Split", "Squeeze", "Sub", "Sum", "Tanh", "ThresholdedRelu"),
        *("Transpose", "Unsqueeze", "Upsample"),
    }
)

# Are computed when a file is read, where they only concern sizes and weights.
OF_CONSTANTS = frozenset({"Constant", "ConstantOfShape", "Floor", "Reciprocal", "Shape", "Sqrt"})

# Run as they are: such a network has no gradient here.
FORWARD_ONLY = frozenset(
    {
        *(
            "Abs",
            "Acos",
            "And",
            "ArgMax",
            "ArgMin",
            "Asin",
            "Atan",
            "Ceil",
            "ConvInteger",
            "ConvTranspose",
            "Cos",
        ),
        *("CumSum", "DepthToSpace", "DequantizeLinear", "DynamicQuantizeLinear", "Einsum"),
        *("Equal", "Expand", "GRU", "GatherElements", "GatherND", "GlobalLpPool", "Greater"),
        *("GreaterOrEqual", "GridSample", "GroupNormalization", "Hardmax", "LRN", "LSTM", "Less"),
        *("LessOrEqual", "Log", "LpNormalization", "LpPool", "MatMulInteger", "Mod", "Not"),
        *("MeanVarianceNormalization", "OneHot", "Or", "Pow", "QLinearConv", "QLinearMatMul"),
        *("QuantizeLinear", "RNN", "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMin"),
        *("ReduceProd", "ReduceSum", "ReduceSumSquare", "RoiAlign", "Round", "ScatterElements"),
        *(
            "ScatterND",
            "Sign",
            "Sin",
            "Size",
            "SpaceToDepth",
            "Tan",
            "Tile",
            "TopK",
            "Trilu",
            "Where",
        ),
        "Xor",
    }
)

ALLOWED = WITH_LAYERS | OF_CONSTANTS | FORWARD_ONLY
