"""A small language model behind OpenAI's API: llama.cpp's own HTTP server, as the package xllamacpp carries it.

usage: llama_server.py MODEL      prints its address, and ends when its standard input is closed
"""

import sys

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_gpu_layers = 0
params.cpuparams.n_threads = 2
# Tokens shared by two requests at a time.
params.n_ctx = 8192
params.n_parallel = 2
# The same answer to the same question.
params.sampling.seed = 1
params.sampling.temp = 0
# `/v1/embeddings` beside `/v1/chat/completions`.
params.embedding = True
params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
