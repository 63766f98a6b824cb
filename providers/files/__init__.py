"""The Files API: streamed, verified, safe against crashes; on a disk or in S3."""
