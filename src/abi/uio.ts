/** Vectors of buffers: include/uapi/linux/uio.h. */

/** The most buffers of one call. */
export const UIO_MAXIOV = 1024
