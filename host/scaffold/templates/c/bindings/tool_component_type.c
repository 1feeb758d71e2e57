// build.sh puts the type of the component in. The bindings would have it from an object file, and ask for this of it.
void __component_type_object_force_link_tool(void);

void __component_type_object_force_link_tool(void) {}
