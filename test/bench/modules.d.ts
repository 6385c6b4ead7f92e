// The benches are JavaScript beside the compiled library (their types are in comments), like the files of tools.
declare module '*/bench/speed/counters.mjs';
declare module '*/bench/speed/decode.mjs';
declare module '*/bench/speed/flops.mjs';
declare module '*/bench/speed/gemm.mjs';
declare module '*/bench/speed/index.mjs';
declare module '*/bench/speed/learn.mjs';
declare module '*/bench/speed/memory.mjs';
declare module '*/bench/speed/ops.mjs';
declare module '*/bench/speed/peer.mjs';
declare module '*/bench/speed/results.mjs';
declare module '*/bench/speed/statistics.mjs';
declare module '*/bench/speed/student.mjs';
declare module '*/bench/speed/tables.mjs';
declare module '*/bench/speed/tensorflow.mjs';
declare module '*/bench/speed/trainStep.mjs';
declare module '*/bench/speed/workload.mjs';
