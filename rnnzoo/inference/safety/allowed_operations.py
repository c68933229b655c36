"""Operations that `rnnzoo.load` allows in a SavedModel, reviewed one by one.

None of them accesses files, networks, processes, devices or memory regions, samples random numbers that depend on
anything but its inputs, or keeps state between calls. Operations on variables, tables and checkpoints are allowed in
their own places only. Add an operation only after reading its kernel, not because a model needs it.
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


MATHEMATICS = _names(
    """
    Abs AccumulateNV2 Acos Acosh Add AddN AddV2 Angle ApproximateEqual Asin Asinh Atan Atan2 Atanh BatchMatMul
    BatchMatMulV2 BatchMatMulV3 BesselI0 BesselI0e BesselI1 BesselI1e Betainc BiasAdd BiasAddV1 BitwiseAnd BitwiseOr
    BitwiseXor Ceil ClipByValue Complex ComplexAbs Conj Cos Cosh Cross Cumprod Cumsum CumulativeLogsumexp Digamma Div
    DivNoNan Einsum Elu Equal Erf Erfc Erfinv Exp Expm1 Floor FloorDiv FloorMod Greater GreaterEqual Igamma Igammac
    Imag Inv Invert IsFinite IsInf IsNan L2Loss LeakyRelu LeftShift Less LessEqual Lgamma Log Log1p LogSoftmax
    LogicalAnd LogicalNot LogicalOr MatMul Maximum Minimum Mod Mul MulNoNan Ndtri Neg NextAfter NotEqual Polygamma
    PopulationCount Pow Real RealDiv Reciprocal Relu Relu6 RightShift Rint Round Rsqrt Selu Sigmoid Sign Sin Sinh
    Softmax Softplus Softsign SparseSoftmaxCrossEntropyWithLogits SoftmaxCrossEntropyWithLogits Sqrt Square
    SquaredDifference Sub Tan Tanh TruncateDiv TruncateMod Xdivy Xlog1py Xlogy Zeta
    """
)
REDUCTIONS = _names(
    """
    All Any ArgMax ArgMin Bincount Bucketize DenseBincount EuclideanNorm HistogramFixedWidth InTopK InTopKV2 Max Mean
    Min Prod SegmentMax SegmentMaxV2 SegmentMean SegmentMin SegmentMinV2 SegmentProd SegmentProdV2 SegmentSum
    SegmentSumV2 Sum TopK TopKV2 NthElement UnsortedSegmentJoin UnsortedSegmentMax UnsortedSegmentMin
    UnsortedSegmentProd UnsortedSegmentSum
    """
)
CONVOLUTIONS = _names(
    """
    AvgPool AvgPool3D Conv Conv2D Conv3D DepthwiseConv2dNative Dilation2D FusedBatchNorm FusedBatchNormV2
    FusedBatchNormV3 LRN MaxPool MaxPool3D MaxPoolV2
    """
)
LINEAR_ALGEBRA = _names(
    """
    Cholesky LogMatrixDeterminant MatrixBandPart MatrixDeterminant MatrixDiag MatrixDiagPart MatrixDiagPartV2
    MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3 MatrixInverse MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MatrixSolve
    MatrixTriangularSolve Qr SelfAdjointEigV2 Svd TridiagonalMatMul
    """
)
ARRAYS = _names(
    """
    BatchToSpace BatchToSpaceND Bitcast BroadcastArgs BroadcastTo Cast CheckNumerics Concat ConcatOffset ConcatV2
    Const DepthToSpace Diag DiagPart DynamicPartition DynamicStitch EnsureShape ExpandDims Fill Gather GatherNd
    GatherV2 Identity IdentityN InplaceUpdate InvertPermutation LinSpace ListDiff LowerBound MirrorPad OneHot OnesLike
    Pack Pad PadV2 ParallelDynamicStitch Placeholder PlaceholderWithDefault PreventGradient Range Rank Reshape Reverse
    ReverseSequence ReverseV2 Roll ScatterNd ScatterNdNonAliasingAdd Select SelectV2 Shape ShapeN Size Slice Snapshot
    SpaceToBatch SpaceToBatchND SpaceToDepth Split SplitV Squeeze StopGradient StridedSlice TensorScatterAdd
    TensorScatterMax TensorScatterMin TensorScatterSub TensorScatterUpdate TensorStridedSliceUpdate Tile Transpose
    Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2 Unpack UnravelIndex UpperBound Where ZerosLike
    """
)
RAGGED_AND_SPARSE = _names(
    """
    RaggedGather RaggedRange RaggedTensorToSparse RaggedTensorToTensor SparseAdd SparseConcat SparseFillEmptyRows
    SparseReorder SparseReshape SparseSlice SparseTensorDenseMatMul SparseToDense
    """
)
STRINGS = _names(
    """
    AsString DecodeBase64 EncodeBase64 ReduceJoin RegexFullMatch RegexReplace StaticRegexFullMatch StaticRegexReplace
    StringFormat StringJoin StringLength StringLower StringNGrams StringSplit StringSplitV2 StringStrip
    StringToHashBucket StringToHashBucketFast StringToHashBucketStrong StringToNumber StringUpper Substr UnicodeDecode
    UnicodeDecodeWithOffsets UnicodeEncode UnicodeScript UnicodeTranscode
    """
)
# functions of their seed alone
RANDOM = _names(
    """
    StatelessMultinomial StatelessParameterizedTruncatedNormal StatelessRandomBinomial StatelessRandomGammaV2
    StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormal
    StatelessRandomNormalV2 StatelessRandomPoisson StatelessRandomUniform StatelessRandomUniformFullInt
    StatelessRandomUniformFullIntV2 StatelessRandomUniformInt StatelessRandomUniformIntV2 StatelessRandomUniformV2
    StatelessShuffle StatelessTruncatedNormal StatelessTruncatedNormalV2
    """
)
TENSOR_LISTS = _names(
    """
    EmptyTensorList TensorListConcat TensorListConcatLists TensorListConcatV2 TensorListElementShape
    TensorListFromTensor TensorListGather TensorListGetItem TensorListLength TensorListPopBack TensorListPushBack
    TensorListPushBackBatch TensorListReserve TensorListResize TensorListScatter TensorListScatterIntoExistingList
    TensorListScatterV2 TensorListSetItem TensorListSplit TensorListStack
    """
)
CONTROL_FLOW = _names(
    """
    Assert Case If NoOp PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile While
    """
)

# operations in signatures: the above, and reading variables and tables
COMPUTATION = (
    MATHEMATICS
    | REDUCTIONS
    | CONVOLUTIONS
    | LINEAR_ALGEBRA
    | ARRAYS
    | RAGGED_AND_SPARSE
    | STRINGS
    | RANDOM
    | TENSOR_LISTS
    | CONTROL_FLOW
    | {"ReadVariableOp", "ResourceGather", "ResourceGatherNd", "LookupTableFindV2", "LookupTableSizeV2"}
)
# the graph that calls the functions, and the functions that run when the model is loaded or saved
GRAPH = _names(
    """
    Const HashTableV2 Identity NoOp PartitionedCall Placeholder ReadVariableOp StatefulPartitionedCall VarHandleOp
    """
)
TABLE_CREATOR = _names(
    """
    Const HashTableV2 Identity NoOp
    """
)
TABLE_INITIALIZER = _names(
    """
    Const Identity LookupTableImportV2 NoOp
    """
)
TABLE_DESTROYER = _names(
    """
    Const Identity NoOp
    """
)
SAVER = _names(
    """
    AssignVariableOp Const DisableCopyOnRead Identity MergeV2Checkpoints NoOp Pack ReadVariableOp RestoreV2 SaveV2
    Select ShardedFilename StaticRegexFullMatch StringJoin
    """
)
EVERYWHERE = COMPUTATION | GRAPH | TABLE_CREATOR | TABLE_INITIALIZER | TABLE_DESTROYER | SAVER
