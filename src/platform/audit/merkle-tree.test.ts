import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { merkleRoot } from './merkle-tree.ts'

/** Published with Certificate Transparency: the roots of the first n of these leaves. */
const LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
].map((hex) => Buffer.from(hex, 'hex'))
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]

test('the roots are those of Certificate Transparency', () => {
  ROOTS.forEach((root, i) => {
    assert.equal(merkleRoot(LEAVES.slice(0, i + 1)), root)
  })
  assert.equal(merkleRoot([]), createHash('sha256').digest('hex'))
})

test('two nodes that are given as a leaf have another root', () => {
  const hash = (text: string): Buffer => createHash('sha256').update(`\0${text}`).digest()
  assert.notEqual(merkleRoot([Buffer.concat([hash('a'), hash('b')])]), merkleRoot(['a', 'b']))
})
