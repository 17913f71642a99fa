"""One file per vendor protocol. LangChain and vendor SDKs live here and nowhere else."""
