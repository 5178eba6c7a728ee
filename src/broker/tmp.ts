/** The prefix of workers' private directories, in the directory for temporary files. */
export const TMP_NAME = 'vitest-seccomp-'
