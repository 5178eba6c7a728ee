/** How workers' private directories are called, in the directory for temporary files. */
export const TMP_NAME = 'vitest-seccomp-'
