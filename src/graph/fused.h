/* SPDX-License-Identifier: Apache-2.0
 *
 * The operators that passes put in the place of what a file said: the contract between the
 * passes of graph/ and the operators of op/.
 *
 * They stand in the operator table like any other, under the domain PN_FUSED_DOMAIN with
 * since = 1. A pass whose operator is missing from the table does nothing. Files never name
 * them: the reader refuses the domain. Each has an infer, so that it can be built by hand in
 * a test; a node that a pass has rewritten keeps the dims its outputs had before. */
#ifndef PN_GRAPH_FUSED_H
#define PN_GRAPH_FUSED_H

#define PN_FUSED_DOMAIN "pinnace"

/* Y = act(A x B + C)
 *
 * Made of Gemm (transA = 0) or MatMul with a constant 2-D right-hand side, the Add of a
 * constant bias, BatchNormalization before or after, and an activation. Every such Gemm and
 * MatMul is rewritten, with or without anything to fuse, so this is the one operator that
 * packs weights. alpha and beta have been multiplied into B and C.
 *
 * Inputs
 *   0  A  f32 [.., k], rank >= 1: all leading dims together are the rows.
 *   1  B  f32, constant, [k, n]; [n, k] with transB = 1. May be taken in prepare.
 *   2  C  optional: f32, constant, [n]. May be taken in prepare.
 * Output
 *   0  Y  f32 [.., n]
 * Attributes
 *   transB      int, 0 or 1; left out = 0
 *   activation  string, left out = none; one of (parameters p0, p1 after the colon)
 *                 Relu Sigmoid Tanh Gelu Softplus Silu Exp
 *                 LeakyRelu: alpha           Elu: alpha
 *                 Selu: alpha, gamma         HardSigmoid: alpha, beta
 *                 Clip: min, max (an absent bound is -/+ FLT_MAX)
 *   p0, p1      float, always written together with an activation that has parameters
 * The formulas are those of enum pn_unary in kernel/kernel.h. */
#define PN_FUSED_GEMM "FusedGemm"

/* Y = each row's parts side by side: plain tensors and rows gathered from constant tables.
 *
 * Made of Concat on the last axis whose inputs come from Gather(axis 0) of constant 2-D
 * tables, straight or through a Reshape, Flatten or Squeeze, and from anything else.
 *
 * With rows = the product of all dims of Y but the last, part p occupies width[p] columns:
 *   plain part    one input   X f32, rows x width elements, row-major, any rank
 *   gather part   two inputs  T f32, constant, [v, w], then
 *                             I int64 or int32, rows x stride elements, any rank.
 *                 Row r of Y gets, side by side for j < count: T[I[r * stride + offset + j]];
 *                 width = count x w. An id is in [-v, v); a negative one counts from the end;
 *                 any other fails the run with PN_INVALID naming table, id and v.
 * The same table, or the same I, may serve several parts.
 *
 * Inputs, in the order of the parts: X of a plain part, T and I of a gather part.
 * Output
 *   0  Y  f32 [.., sum of widths]. infer (a node built by hand) gives [rows, sum of widths],
 *         rows taken from the first part. Reading the shape in run: take the last dim as the
 *         sum of widths and bytes / (4 x that) as rows, for Y may have any rank >= 1.
 * Attributes
 *   parts  ints, three for each part: count, stride, offset. A plain part is 0, 0, 0; a
 *          gather part has count >= 1, offset >= 0, offset + count <= stride. */
#define PN_FUSED_GATHER_CONCAT "GatherConcat"

/* Y = rows of a table, pooled: each bag's rows, times their weights, summed in their order,
 * or their mean, or the largest of each column.
 *
 * Made of Gather (axis 0 of a constant f32 table) and ReduceSum, ReduceMean or ReduceMax over
 * the last axis of the ids; and of the loops that exporters write for an EmbeddingBag.
 *
 * Inputs
 *   0  T  f32 [v, w]
 *   1  I  optional: int64 or int32 [.., n], or [m] with O. An id is in [-v, v); a negative
 *         one counts from the end; any other fails the run with PN_INVALID. Left out, with O:
 *         0..v-1.
 *   2  O  optional: int64 or int32 [bags + 1]. Bag b is I[O[b] : O[b+1]]; offsets that do not
 *         ascend within 0..m fail the run with PN_INVALID. Left out: each row of I is a bag.
 *   3  W  optional: f32, as many elements as I.
 * Output
 *   0  Y  f32 [bags, w] with O, else [.., w] (a node that a pass has rewritten may have kept
 *         an axis of 1 in front of w). A bag of no rows is zeros with O; without, what
 *         reducing nothing gives: 0, NaN for the mean, -inf for the largest.
 * Attribute
 *   mode  string: sum, mean or max */
#define PN_FUSED_BAG "Bag"

#endif
