/** Counterexamples that the model-based test found, shrunk. Each was a defect once. */
import type { Command } from '../arbitraries/commands.js'

export const PINNED: readonly (readonly [title: string, commands: readonly Command[]])[] = [
  [
    'a link at the end of a name that must be a directory is not removed through',
    [
      ['rmdir', '@/g/ld/'],
      ['readdir', '@/g'],
    ],
  ],
  [
    'O_CREAT opens no directory, not even one that may only be read',
    [
      ['open', '@/r', 0o100, 0o755, 0],
      ['open', '@/g/d', 0o100, 0o755, 0],
    ],
  ],
  [
    'a new name that is there already is EEXIST, also where the manifest names it',
    [
      ['symlink', 'f', '@/g'],
      ['link', '@/g/f', '@/g/d'],
      ['mkdir', '@/r', 0o755],
    ],
  ],
  [
    'a link that must not be followed shows itself',
    [
      ['lstat', '@/g/out'],
      ['readlink', '@/g/out'],
      ['stat', '@/g/out'],
      ['readlink', '@/g/f'],
    ],
  ],
  [
    'a directory opened as a way back leads nowhere else',
    [
      ['open', '@/g/d', 0, 0o755, 0],
      ['rename', '@/g/d', '@/g/n1'],
      ['readFile', '#0/g'],
      ['readFile', '#0/../out'],
      ['writeFile', '#0/../new', 'x'],
    ],
  ],
  [
    "an unlinked file is still its holder's",
    [
      ['open', '@/g/f', 2, 0o755, 0],
      ['unlink', '@/g/f'],
      ['fchmod', 0, 0o700],
      ['ftruncate', 0, 3],
      ['read', 0],
      ['readFile', '#0'],
    ],
  ],
  [
    'a hard link has no more rights than the file',
    [
      ['link', '@/r/f', '@/g/n1'],
      ['link', '@/o/canary', '@/g/n2'],
      ['link', '@/g/keep/k', '@/g/n3'],
      ['link', '@/g/f', '@/g/n4'],
      ['writeFile', '@/g/n4', 'x'],
    ],
  ],
]
