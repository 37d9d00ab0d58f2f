"""What do things in the simulated world call themselves? Categories with topics and their words, brands, regions."""

TOPICS = {
    "Books": ("crime detective murder clue", "romance heart letter summer", "history empire war king"),
    "Music": ("jazz trumpet swing night", "metal guitar riff loud", "piano sonata classical calm"),
    "Kitchen": ("baking oven cake flour", "coffee espresso grinder cup", "knife steel chef board"),
    "Garden": ("rose flower pot seed", "mower lawn grass petrol", "tomato greenhouse soil compost"),
    "Sports": ("running shoe marathon trail", "cycling helmet gear saddle", "football ball goal jersey"),
    "Toys": ("robot brick motor build", "doll house dress tea", "puzzle wood train track"),
    "Travel": ("beach island snorkel sun", "mountain hike hut backpack", "city museum weekend map"),
    "Tools": ("drill battery screw torque", "paint brush wall roller", "saw timber bench plane"),
    "Fashion": ("denim jacket street boots", "silk evening gown pearl", "linen shirt loafers casual"),
    "Pets": ("dog leash bone walk", "cat scratch litter nap", "aquarium fish pump coral"),
    "Games": ("strategy board dice castle", "racing console wheel speed", "fantasy dragon quest card"),
    "Art": ("watercolour paper pigment brush", "sculpture clay kiln glaze", "photo lens frame print"),
    "Films": ("thriller heist chase twist", "comedy wedding mishap laugh", "space alien starship orbit"),
    "Health": ("yoga mat stretch breath", "vitamin mineral capsule daily", "massage oil sleep relax"),
    "Office": ("chair desk posture lamp", "printer ink paper scan", "notebook pen planner ink"),
    "Baby": ("stroller wheel fold ride", "bottle feed warm bib", "crib blanket mobile night"),
}  # fmt: skip
CATEGORIES = tuple(TOPICS)
WORDS = tuple(tuple(tuple(topic.split()) for topic in topics) for topics in TOPICS.values())
TOPICS_EACH = 3  # topics of a category
REGIONS = ("North", "South", "East", "West", "Coast", "Highlands", "Capital", "Islands")
BRANDS = tuple(
    first + last
    for first in ("Alba", "Bero", "Cato", "Dalu", "Elmo", "Fira", "Gavo", "Hevi", "Ivra", "Juno", "Keno", "Luma")
    for last in ("ra", "nix", "tec", "well")
)
BRANDS_EACH = 8  # brands that sell in a category
STYLES = ("Blue", "Quiet", "Golden", "Little", "Northern", "Wild", "Velvet", "Plain", "Swift", "Bright", "Old", "New")
GENDERS = ("F", "M", "")
DEVICES = ("mobile", "desktop", "tablet")
