/** What the nodes behind the load balancers run. */
export { addOne, parentOf, squareTask } from '../postgres/cluster-workload.ts'
