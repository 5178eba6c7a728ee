/**
 * PATH without relative directories and those of installed packages. npx and npm put the latter first: a package could
 * bring a program by the name of one of the system's, and it would run outside of every wall.
 */
export function systemPath(path = process.env.PATH ?? ''): string {
  return path
    .split(':')
    .filter((dir) => dir.startsWith('/') && !dir.split('/').includes('node_modules'))
    .join(':')
}

/**
 * PATH for the system's own programs, which stand outside of every wall: where they usually are comes first. A directory of
 * PATH may be one of the project, where somebody in a run may write.
 */
export function pathToSystem(path = process.env.PATH ?? ''): string {
  return ['/usr/bin', '/bin', systemPath(path)].filter((part) => part !== '').join(':')
}
