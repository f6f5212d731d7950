/**
 * The schema of policies, in Cedar's own language; docs/perdure.cedarschema has it as text.
 *
 * A role is a parent of the principal only where it counts: in the namespace of what the call is about, or everywhere.
 */
import { ACTIONS, type Action, isReading } from './actions.ts'

export const CEDAR_NAMESPACE = 'Perdure'

const ENTITIES = `namespace Perdure {
  // Who asks. A role is a parent only where it counts: for what belongs to the namespace that it was given in.
  entity Role;
  entity Group;
  // A person or program with a token or a certificate: "token:ISSUER#SUBJECT", "certificate:NAME".
  entity User in [Role, Group] { kind: String, user?: String, groups: Set<String> };
  // A program with an API key: "key:ID".
  entity Key in [Role, Group] { kind: String, user?: String, groups: Set<String> };

  // What it asks for. Ids are "NAMESPACE/ID", with both parts percent-encoded; attributes are plain.
  entity Namespace { name: String };
  entity Workflow in [Namespace] { namespace: String, name: String };
  // Tags are the search attributes, as text. "owner": who started it, as "key:ID" or "token:ISSUER#SUBJECT".
  entity Execution in [Namespace, Workflow] {
    namespace: String, workflowId: String, workflow?: String, owner?: String,
  } tags String;
  entity Queue in [Namespace] { namespace: String, name: String };
  entity Task in [Namespace, Queue] { namespace: String, id?: String, name?: String, queue?: String };
  entity Schedule in [Namespace, Workflow] { namespace: String, id: String, workflow?: String };
  // "users" and "groups": all who may take a seat of it, or have one.
  entity HumanTask in [Namespace, Workflow] {
    namespace: String, id: String, name?: String, workflow?: String, workflowId?: String,
    requester?: String, users: Set<String>, groups: Set<String>,
  };
  entity Worker in [Namespace] { namespace: String, id?: String };
  entity Node { name?: String };
  // Without a namespace they are of the whole engine.
  entity ApiKey in [Namespace] { namespace?: String, id?: String };
  entity RoleBinding in [Namespace] { namespace?: String, role?: String };
  entity Policy { id?: String };
  entity Audit in [Namespace] { namespace?: String };
  entity Webhook in [Namespace] { namespace?: String, id?: String };
  entity EventRule in [Namespace] { namespace?: String, id?: String };

  // "address" is that of the connection, or as a trusted proxy says; absent: the call comes from the engine's own process.
  type Call = { time: datetime, address?: ipaddr };

  // All actions that change nothing.
  action Read;
`

export function cedarSchema(): string {
  const actions = (Object.keys(ACTIONS) as Action[]).map((action) => {
    const group = isReading(action) ? ' in [Read]' : ''
    const { resource } = ACTIONS[action]
    return `  action ${action}${group} appliesTo { principal: [User, Key], resource: [${resource}], context: Call };`
  })
  return `${ENTITIES}${actions.join('\n')}\n}\n`
}
